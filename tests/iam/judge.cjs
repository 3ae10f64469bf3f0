// Judges requests by policies: reads {policies, requests} as JSON from standard input, writes a list of verdicts.
//
// Each request names its policies by their place in `policies`; `resourcePolicy` may be null. The call is the
// package's "unsafe" one on purpose: the safe one drops kms:EncryptionContext:<name> as keys that it does not
// know. What else the safe one does is done here: policies that are not well-formed are an error.
// Started in the folder that holds node_modules.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const tool = createRequire(`${process.cwd()}/`);
const { runUnsafeSimulation } = tool("@cloud-copilot/iam-simulate");
const { validateIdentityPolicy, validateResourcePolicy, validateTrustPolicy, createValidatedPolicy } = tool(
  "@cloud-copilot/iam-policy",
);

function checked(policy, validate) {
  // The package reads the name of a resource's policy, which only a validated policy can carry.
  const made = createValidatedPolicy(policy, validate, { name: "policy" });
  if (made.errors.length > 0) throw new Error(JSON.stringify(made.errors));
  return made;
}

function judged({ principal, account, action, resource, context, policy, resourcePolicy }) {
  const validate = action.startsWith("sts:") ? validateTrustPolicy : validateResourcePolicy;
  return runUnsafeSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: [{ name: "Own", policy: checked(policies[policy], validateIdentityPolicy) }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: resourcePolicy === null ? undefined : checked(policies[resourcePolicy], validate),
    },
    {},
  );
}

const { policies, requests } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(requests.map(judged)));
