// Reads a release log with filippo.io/torchwood, a client for C2SP tlog-tiles that nobody here wrote, and says what it
// verified: main PREFIX VERIFIER-KEY OLDER-SIZE OLDER-ROOT (base64).
package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"strconv"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	fetcher := must(torchwood.NewTileFetcher(os.Args[1]))
	verifier := must(note.NewVerifier(os.Args[2]))
	signed := must(fetcher.ReadEndpoint(ctx, "checkpoint"))
	opened := must(note.Open(signed, note.VerifierList(verifier)))
	head := must(torchwood.ParseCheckpoint(opened.Text))

	client := must(torchwood.NewClient(fetcher))
	entries := []string{}
	for _, entry := range client.AllEntries(ctx, head.Tree, 0) {
		entries = append(entries, hex.EncodeToString(entry))
	}
	if err := client.Err(); err != nil {
		log.Fatal(err)
	}
	_, included, err := client.Entry(ctx, head.Tree, head.N-1)
	if err != nil {
		log.Fatal(err)
	}

	var root tlog.Hash
	copy(root[:], must(base64.StdEncoding.DecodeString(os.Args[4])))
	older := tlog.Tree{N: must(strconv.ParseInt(os.Args[3], 10, 64)), Hash: root}
	reader := torchwood.TileHashReaderWithContext(ctx, head.Tree, fetcher)
	proof := must(tlog.ProveTree(head.N, older.N, reader))
	if err := tlog.CheckTree(proof, head.N, head.Hash, older.N, older.Hash); err != nil {
		log.Fatal(err)
	}
	said := map[string]any{"origin": head.Origin, "size": head.N, "entries": entries, "included": len(included)}
	must(0, json.NewEncoder(os.Stdout).Encode(said))
}
