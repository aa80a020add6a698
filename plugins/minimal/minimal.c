// The smallest policy, to show the contract's binary interface: it grants the ceiling as it is, but for an agent whose
// claim `suspended` is true.
//
// A component exports three functions. Each gets its arguments in memory that it owns and answers through a pointer;
// strings are bytes and a length, lists `ptr` and `len`, optional values `is_some` and `val`, variants `tag` and `val`.
// `policy.h` is made from the contract by `mountgate plugin build`. Who gets a value frees it: a function its arguments, the
// gateway (by a function in `policy.c`) the answer, which must therefore hold no literals.

#include <string.h>

#include "policy.h"

void exports_mountgate_policy_decisions_describe(mountgate_policy_types_manifest_t *manifest) {
    memset(manifest, 0, sizeof *manifest);
    policy_string_dup(&manifest->name, "examples/minimal");
    policy_string_dup(&manifest->summary, "the ceiling as it is, but for suspended agents");
    policy_string_dup(&manifest->settings_schema, "{\"type\":\"object\",\"additionalProperties\":false}");
}

bool exports_mountgate_policy_decisions_configure(policy_string_t *settings, mountgate_policy_types_mount_t *mount,
                                                  policy_list_u8_t *prepared, policy_string_t *err) {
    bool given = settings->len != 2;
    policy_string_free(settings);
    exports_mountgate_policy_decisions_mount_free(mount);
    if (given) {
        policy_string_dup(err, "this policy takes no settings");
        return false;
    }
    // Nothing to prepare: `decide` gets an empty list.
    memset(prepared, 0, sizeof *prepared);
    return true;
}

bool exports_mountgate_policy_decisions_decide(policy_list_u8_t *prepared, mountgate_policy_types_request_t *request,
                                               mountgate_policy_types_verdict_t *verdict, policy_string_t *err) {
    (void)err;
    bool suspended = false;
    for (size_t i = 0; i < request->claims.len; i++) {
        mountgate_policy_types_claim_t *claim = &request->claims.ptr[i];
        if (claim->name.len == 9 && memcmp(claim->name.ptr, "suspended", 9) == 0)
            suspended = claim->value.tag == MOUNTGATE_POLICY_TYPES_CLAIM_VALUE_BOOLEAN && claim->value.val.boolean;
    }
    policy_list_u8_free(prepared);
    exports_mountgate_policy_decisions_request_free(request);

    // Zeroes say the rest: no hint, no limits, no `valid-for`.
    memset(verdict, 0, sizeof *verdict);
    if (suspended) {
        verdict->tag = MOUNTGATE_POLICY_TYPES_VERDICT_DENY;
        policy_string_dup(&verdict->val.deny.code, "suspended");
        policy_string_dup(&verdict->val.deny.reason, "this agent is suspended");
    } else {
        verdict->tag = MOUNTGATE_POLICY_TYPES_VERDICT_ALLOW;
        verdict->val.allow.grant.tag = MOUNTGATE_POLICY_TYPES_GRANT_CEILING;
    }
    return true;
}
