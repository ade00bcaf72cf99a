// Command authentication is an API server's OIDC authentication, without the server: for each
// line of JSON with an AuthenticationConfiguration, a key set and tokens, a line with who they are.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/coreos/go-oidc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/authentication/token/union"
	authn "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

const maxLine = 16 << 20

type question struct {
	Configuration string          `json:"configuration"` // YAML
	Keys          json.RawMessage `json:"keys"`          // what the issuer serves as its key set
	Tokens        []string        `json:"tokens"`
}

type answer struct {
	Problem string     `json:"problem"` // why the configuration is refused
	Users   []identity `json:"users"`   // one for each token
}

type identity struct {
	Accepted bool                `json:"accepted"`
	Reason   string              `json:"reason"`
	Username string              `json:"username"`
	Groups   []string            `json:"groups"`
	UID      string              `json:"uid"`
	Extra    map[string][]string `json:"extra"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
	compiler := cel.NewDefaultCompiler()
	answers := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		if err := answers.Encode(judge(ctx, decoder, compiler, asked)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func judge(ctx context.Context, decoder runtime.Decoder, compiler cel.Compiler, asked question) answer {
	configuration := &apiserver.AuthenticationConfiguration{}
	if err := runtime.DecodeInto(decoder, []byte(asked.Configuration), configuration); err != nil {
		return answer{Problem: err.Error()}
	}
	problems := validation.ValidateAuthenticationConfiguration(compiler, configuration, nil)
	if err := problems.ToAggregate(); err != nil {
		return answer{Problem: err.Error()}
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		response.Header().Set("Cache-Control", "max-age=600")
		_, _ = response.Write(asked.Keys)
	}))
	defer issuer.Close()
	keys := oidc.NewRemoteKeySet(ctx, issuer.URL)
	var authenticators []authenticator.Token
	for _, entry := range configuration.JWT {
		entry.Issuer.DiscoveryURL = "" // the keys are at hand
		one, err := authn.New(ctx, authn.Options{
			JWTAuthenticator:     entry,
			KeySet:               keys,
			Compiler:             compiler,
			SupportedSigningAlgs: authn.AllValidSigningAlgorithms(),
		})
		if err != nil {
			return answer{Problem: err.Error()}
		}
		authenticators = append(authenticators, one)
	}
	all := union.New(authenticators...)
	told := answer{Users: []identity{}}
	for _, token := range asked.Tokens {
		told.Users = append(told.Users, authenticate(ctx, all, token))
	}
	return told
}

func authenticate(ctx context.Context, all authenticator.Token, token string) identity {
	response, authenticated, err := all.AuthenticateToken(ctx, token)
	if err != nil {
		return identity{Reason: err.Error()}
	}
	if !authenticated {
		return identity{Reason: "Unauthorized"}
	}
	return identity{
		Accepted: true,
		Username: response.User.GetName(),
		Groups:   response.User.GetGroups(),
		UID:      response.User.GetUID(),
		Extra:    response.User.GetExtra(),
	}
}
