// Command kubernetes is the OIDC authenticator of Kubernetes' API server, without the server.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"

	"spire-bridge/tests/peers/judge"
)

const patience = 20 * time.Second

func main() { judge.Main(trust) }

func trust(ctx context.Context, relying judge.Relying) (judge.Verify, error) {
	ca, err := dynamiccertificates.NewStaticCAContent("issuer", relying.CA)
	if err != nil {
		return nil, err
	}
	prefix := ""
	authn, err := oidc.New(ctx, oidc.Options{
		JWTAuthenticator: apiserver.JWTAuthenticator{
			Issuer: apiserver.Issuer{URL: relying.Issuer, Audiences: []string{relying.Audience}},
			ClaimMappings: apiserver.ClaimMappings{
				Username: apiserver.PrefixedClaimOrExpression{Claim: "sub", Prefix: &prefix},
			},
			UserValidationRules: []apiserver.UserValidationRule{{
				Expression: fmt.Sprintf("user.username == '%s'", relying.Subject),
				Message:    "another workload",
			}},
		},
		CAContentProvider:    ca,
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	})
	if err != nil {
		return nil, err
	}
	if err := discovered(ctx, authn); err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) (string, error) {
		response, authenticated, err := authn.AuthenticateToken(ctx, token)
		if err != nil {
			return "", err
		}
		if !authenticated {
			return "", errors.New("not a token of the issuer")
		}
		return response.User.GetName(), nil
	}, nil
}

// discovered waits for the issuer's discovery document, which is fetched in the background.
func discovered(ctx context.Context, authn oidc.AuthenticatorTokenWithHealthCheck) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true,
		func(context.Context) (bool, error) {
			last = authn.HealthCheck()
			return last == nil, nil
		})
	return errors.Join(err, last)
}
