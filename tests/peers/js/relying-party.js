// A relying party that `jose` verifies for: a line of JSON out for each line of JSON in.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { values: relying } = parseArgs({
  options: {
    issuer: { type: "string" },
    audience: { type: "string" },
    subject: { type: "string" },
  },
});
const { issuer, audience, subject } = relying;

const discovery = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
const provider = await (await fetch(discovery)).json();
// As long as the issuer says; by default it would ask again for an unknown key after 30 s.
const keys = createRemoteJWKSet(new URL(provider.jwks_uri), { cooldownDuration: 300_000 });
const algorithms = provider.id_token_signing_alg_values_supported;

for await (const line of createInterface({ input: process.stdin })) {
  const { token } = JSON.parse(line);
  let answer;
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, subject, algorithms });
    answer = { accepted: true, user: payload.sub, reason: "" };
  } catch (error) {
    answer = { accepted: false, user: "", reason: `${error.code}: ${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
