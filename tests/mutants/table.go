package main

// mutant is one break of the product.
type mutant struct {
	name string
	file string // relative to the tree
	old  string // stands exactly once in the file
	new  string
	pkg  string // whose tests have to notice
	run  string // which of them, as go test -run takes it; empty for all
}

var mutants = []mutant{
	{"a flush to the file server is skipped", "internal/share/smb/stream.go",
		"return st.do(what, func(*smb2.Share) error { return st.file.Sync() })", "return nil", "internal/share/smb", "TestCheckpointsAreFlushed|TestConformance$"},
	{"what was uploaded is not read back", "internal/repository/folder/deliver.go",
		"	if !same {\n		return f.otherBytes(ctx, temp, file.Name)", "	if !same && false {\n		return f.otherBytes(ctx, temp, file.Name)", "internal/repository/folder", ""},
	{"a large part is read back and not compared", "internal/blocksum/checker.go",
		"			if c.crc != want {", "			if false {", "internal/repository/folder", ""},
	{"what has changed in the spool is uploaded again and again", "internal/repository/folder/deliver.go",
		"		if err := changed(src, name, differs, opts.Blocks); err != nil {", "		if err := changed(src, name, differs, opts.Blocks); err != nil && false {", "internal/repository/folder", ""},
	{"a part is sent while it is captured and never awaited", "internal/capture/upload.go",
		"		err := early.wait(ctx, u.Progress)\n", "		err := error(nil)\n", "internal/capture", "Sent|Sender|SentWhile"},
	{"what was sealed is not read back before publishing", "internal/repository/incoming.go",
		"if err != nil || folder.Describe(file.Name, data) != file {", "if err != nil {",
		"internal/repository", ""},
	{"an upload has its final name before it is compared", "internal/repository/folder/deliver.go",
		"	return f.At(cmp.Or(opts.Beside, into), name+\".\"+opts.Token+tempSuffix)", "	return f.At(into, cmp.Or(name, opts.Token+tempSuffix))", "internal/repository", ""},
	{"a signature is not checked", "internal/seal/sign.go",
		"		if err := sshsig.Verify(bytes.NewReader(message), sig, key, sshsig.HashSHA512, backup.SignatureNamespace); err != nil {\n", "		if err := error(nil); err != nil {\n",
		"internal/seal", ""},
	{"any signer is trusted", "internal/seal/sign.go",
		"		if !bytes.Equal(key.Marshal(), wire) {\n			continue\n		}\n		if err := sshsig.Verify(bytes.NewReader(message), sig, key,",
		"		if false {\n			return \"\", fmt.Errorf(\"%x %x\", wire, key)\n		}\n		if err := sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey,", "internal/seal", ""},
	{"the backup key is wrapped to the first recipient only", "internal/seal/backupkey.go",
		"keyAge, err = key.Wrap(parsed)", "keyAge, err = key.Wrap(parsed[:1])", "internal/seal", ""},
	{"an entry of the ledger need not follow the one before", "internal/repository/ledger/read.go",
		"	if c.previous != \"\" && e.Previous != c.previous {", "	if false {", "internal/repository/audit", "TestTamperingIsFound"},
	{"a server's answer needs no signature", "internal/share/smb/guard/answers.go",
		"	case !h.signed:\n", "	case false:\n", "internal/share/smb", "Signed|Unsigned|Interim|Forged|Frames"},
	{"the second page of a list is not read", "internal/azure/pages.go",
		"	p.next, p.list, p.cut, p.progress = next, nil,", "	p.next, p.list, p.cut, p.progress = next[:0], nil,", "internal/azure", ""},
	{"a page that leads back is taken for the end", "internal/azure/pages.go",
		"	case p.been[here] && p.list == nil:\n		return fault", "	case p.been[here] && p.list == nil:\n		p.next = \"\"\n		return io.EOF\n	case p.been[here]:\n		return fault", "internal/azure", ""},
	{"only the first page of the directory is read", "internal/collect/ad/directory/search.go",
		"		if len(page.cookie) == 0 {\n			return nil", "		if true {\n			return nil", "internal/collect/ad", ""},
	{"a run without a service is complete", "workflows/backup.go",
		"	if backup.Overall(results) == backup.Failed {", "	if false {", "workflows", ""},
	{"a run that fails leaves its work on the share", "workflows/backup.go",
		"	out, err := flow.DiscardBackup.Run(tidying(ctx, \"remove the partial backup from the share\"), flow.DiscardBackupInput{\n		BackupID: r.in.BackupID, Revision: r.share.Revision,\n	})\n",
		"	var out flow.DiscardBackupOutput\n	var err error\n", "workflows", ""},
	{"a service that failed does not show in the status", "internal/backup/status.go",
		"	case good < len(results):\n", "	case false:\n", "internal/backup", ""},
	{"what is restored is not compared with the catalog", "internal/archive/reader.go",
		"	if hex.EncodeToString(sum.Sum(nil)) != entry.SHA256 {", "	if hex.EncodeToString(sum.Sum(nil)) == \"\" {", "internal/archive", ""},
	{"a dangling reference is not counted", "internal/consistency/checker.go",
		"		count.Dangling++\n", "", "internal/consistency", ""},
}
