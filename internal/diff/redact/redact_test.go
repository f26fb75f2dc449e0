package redact

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFingerprints(t *testing.T) {
	one, err := NewKey(rand.Reader)
	require.NoError(t, err)
	other, err := NewKey(rand.Reader)
	require.NoError(t, err)
	value := []byte("correct horse")
	require.Equal(t, one.Of(value), one.Of(bytes.Clone(value)))
	require.True(t, one.Of(value) != one.Of([]byte("correct Horse")))
	require.True(t, one.Of(value) != other.Of(value), "fingerprints of two comparisons tell nothing")
	require.True(t, one.Of(nil) == one.Of([]byte{}))

	print := one.Of(value)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		require.Equal(t, "[redacted]", fmt.Sprintf(format, print), format)
	}
	_, err = json.Marshal(print)
	require.Error(t, err)
	broken := errors.New("no entropy")
	_, err = NewKey(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"adminPassword": true, "AdminPassword": true, "admin_password": true, "customData": true, "protectedSettings": true, "sharedKey": true,
		"primaryKey": true, "storageAccountKey": true, "connectionString": true, "connectionStrings": true, "clientSecret": true, "sasToken": true, "sas": true,
		"radiusServerSecret": true, "administratorLoginPassword": true, "additionalUnattendContent": true,
		"secrets": false, "secretUrl": false, "disablePasswordAuthentication": false, "keys": false, "key": false, "keyName": false, "tokenLifetime": false,
		"sshPublicKey": false, "permissions": false, "passwordLastSet": false, "canvas": false, "keyEncryptionKey": false, "": false,
	} {
		require.Equal(t, want, Property(name), name)
	}
	for name, want := range map[string]bool{
		"unixUserPassword": true, "UNICODEPWD": true, "ms-Mcs-AdmPwd": true, "msLAPS-EncryptedPassword": true, "userPassword;binary": true, "contosoServicePassword": true,
		"pwdLastSet": false, "minPwdLength": false, "badPwdCount": false, "ms-Mcs-AdmPwdExpirationTime": false, "msDS-PasswordSettingsPrecedence": false, "member": false,
	} {
		require.Equal(t, want, Attribute(name), name)
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]bool{
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v":                      true,
		"Server=db;User Id=sa;Password=x1;":                                                 true,
		"Server=db;Uid=sa;Pwd=x1;":                                                          true,
		"Endpoint=sb://x/;SharedAccessKeyName=r;SharedAccessKey=Zm9v=":                      true,
		"https://a.blob.local/c?sv=2019&sig=abc%3D":                                         true,
		"https://user:hunter2@git.local/x":                                                  true,
		"powershell -File a.ps1 -Password hunter2":                                          true,
		"setup.sh --token abcdef":                                                           true,
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE":                                             true,
		"Authorization: Bearer abcdefghijklmnop":                                            true,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.x":                                                   true,
		`{"password":"x"}`:                                                                  true,
		"password : x":                                                                      true,
		"initial kennwort: Sommer2026":                                                      true,
		"/subscriptions/a/resourceGroups/b/providers/Microsoft.KeyVault/vaults/c/secrets/d": false,
		"https://a.vault.local/secrets/d":                                                   false,
		"10.0.0.0/16":                                                                       false,
		"2026-11-22T08:30:00Z":                                                              false,
		"CN=Password Admins,OU=Groups,DC=corp":                                              false,
		"":                                                                                  false,
	} {
		require.Equal(t, want, Text(text), text)
	}
}
