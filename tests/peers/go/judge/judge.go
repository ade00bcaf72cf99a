// Package judge lets a verifier be asked over its standard input.
package judge

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// Relying is what a relying party is told at its start.
type Relying struct {
	Issuer   string
	Audience string
	Subject  string // the only one that is let in
	CA       []byte // PEM
}

// Verify returns the user whom the verifier makes of a token, or why it refuses the token.
type Verify func(ctx context.Context, token string) (user string, err error)

type question struct {
	Token string `json:"token"`
}

type answer struct {
	Accepted bool   `json:"accepted"`
	User     string `json:"user"`
	Reason   string `json:"reason"`
}

// Main answers a line of JSON for each line of JSON until its input ends.
func Main(trust func(context.Context, Relying) (Verify, error)) {
	if err := run(context.Background(), trust); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, trust func(context.Context, Relying) (Verify, error)) error {
	var relying Relying
	flag.StringVar(&relying.Issuer, "issuer", "", "the issuer's URL")
	flag.StringVar(&relying.Audience, "audience", "", "whom tokens have to be for")
	flag.StringVar(&relying.Subject, "subject", "", "the only workload that is let in")
	ca := flag.String("ca", "", "file with the CA of the issuer's certificate")
	flag.Parse()

	var err error
	if relying.CA, err = os.ReadFile(*ca); err != nil {
		return err
	}
	verify, err := trust(ctx, relying)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		var told answer
		if user, err := verify(ctx, asked.Token); err != nil {
			told.Reason = err.Error()
		} else {
			told = answer{Accepted: true, User: user}
		}
		if err := answers.Encode(told); err != nil {
			return err
		}
	}
	return nil
}
