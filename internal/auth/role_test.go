package auth

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPolicy writes the table down a second time: whoever moves an action moves it here as
// well.
func TestPolicy(t *testing.T) {
	want := map[Role][]Action{
		Reader:   {ReadOperations, ReadLocations, ReadBackups, ReadOperationResults, ReadProgress, ReadHistory, ReadAlerts, ReadRestores, ReadDrills},
		Operator: {CreateBackup, PruneDryRun, Verify, Cancel, CancelRestore, PlanRestore, CompareBackups, ProveKey, AcknowledgeAlert},
		Owner:    {WriteLocation, Prune, Restore, ManageTokens, ApplyRestore},
	}
	total := 0
	for lowest, actions := range want {
		total += len(actions)
		for _, action := range actions {
			for _, role := range []Role{"", Reader, Operator, Owner, "OWNER", "root"} {
				may := role == Owner || role == Operator && lowest != Owner || role == Reader && lowest == Reader
				require.Equal(t, may, role.Allows(action), "%q %s", role, action)
				err := Principal{Subject: "x", Role: role}.May(action)
				if may {
					require.NoError(t, err)
				} else {
					require.Contains(t, refused(t, err, http.StatusForbidden, CodeAuthorizationFailed).Message, string(action))
				}
			}
		}
	}
	require.Len(t, policy, total)
}

func TestWhatIsNotListedIsRefused(t *testing.T) {
	owner := Principal{Subject: "x", Role: Owner}
	for _, action := range []Action{"", "Microsoft.Backup.Admin/backupLocations/delete", "*"} {
		refused(t, owner.May(action), http.StatusForbidden, CodeAuthorizationFailed)
	}
	refused(t, Principal{Role: Owner}.May(ReadBackups), http.StatusUnauthorized, CodeAuthenticationFailed)
	refused(t, PrincipalOf(context.Background()).May(ReadBackups), http.StatusUnauthorized, CodeAuthenticationFailed)
}

func TestAuthorizeTellsTheAudit(t *testing.T) {
	ctx, record := WithRecord(t.Context())
	ctx = WithPrincipal(ctx, Principal{Subject: "token:a", Role: Reader})
	require.NoError(t, Authorize(ctx, ReadBackups))
	require.Equal(t, Noted{Principal: Principal{Subject: "token:a", Role: Reader}, Action: ReadBackups}, record.Noted())
	refused(t, Authorize(ctx, Restore), http.StatusForbidden, CodeAuthorizationFailed)
	require.Equal(t, Restore, record.Noted().Action)
}

func TestNamesOfPrincipalsAreBounded(t *testing.T) {
	p := newPrincipal("https://issuer|"+strings.Repeat("s", 1000), "Mallory\u202e\x00\n"+strings.Repeat("n", 1000), Reader, MethodOIDC)
	require.LessOrEqual(t, len(p.Subject), maxSubject+len("…"))
	require.LessOrEqual(t, len(p.Name), maxName+len("…"))
	require.Contains(t, p.Name, `Mallory\u202e\x00\n`)
}
