// Command goidc is a relying party that github.com/coreos/go-oidc verifies for.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"

	"spire-bridge/tests/peers/judge"
)

func main() { judge.Main(trust) }

func trust(ctx context.Context, relying judge.Relying) (judge.Verify, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(relying.CA)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), relying.Issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: relying.Audience})
	return func(ctx context.Context, token string) (string, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return "", err
		}
		if verified.Subject != relying.Subject { // which go-oidc leaves to its caller
			return "", errors.New("another workload")
		}
		return verified.Subject, nil
	}, nil
}
