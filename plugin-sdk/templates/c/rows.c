// Rows by region: a caller sees the rows whose region is its own claim, in the tables that have such a column.
//
// `configure` runs once, when a mount loads; `decide` for each request. Both get everything they may know as arguments:
// there are no files, no network and no clock here.
//
// `policy.h` is made from `wit/` by each build and names the contract's types: lists are `ptr` and `len`, optional values
// `is_some` and `val`, variants `tag` and `val`. Who gets a value frees it: a function its arguments, the gateway (by a
// function in `policy.c`) the answer, which must therefore hold copies and no literals.

#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "settings.h"

// A literal: to compare with or to copy, never to answer with.
static policy_string_t text(const char *literal) {
    policy_string_t string = {(uint8_t *)literal, strlen(literal)};
    return string;
}

// The texts, one after another, as a copy.
static policy_string_t join(const policy_string_t *parts, size_t count) {
    policy_string_t whole = {NULL, 0};
    for (size_t i = 0; i < count; i++) whole.len += parts[i].len;
    whole.ptr = malloc(whole.len + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(whole.ptr + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return whole;
}

#define JOIN(...) join((policy_string_t[]){__VA_ARGS__}, sizeof((policy_string_t[]){__VA_ARGS__}) / sizeof(policy_string_t))

static bool same(policy_string_t one, policy_string_t other) {
    return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}

static bool has(const mountgate_policy_types_list_ceiling_column_t *columns, policy_string_t name) {
    for (size_t i = 0; i < columns->len; i++)
        if (same(columns->ptr[i].name, name)) return true;
    return false;
}

void exports_mountgate_policy_decisions_describe(mountgate_policy_types_manifest_t *manifest) {
    memset(manifest, 0, sizeof *manifest);
    policy_string_dup(&manifest->name, "{{name}}");
    policy_string_dup(&manifest->summary, "rows of the caller's own region");
    policy_string_dup(
        &manifest->settings_schema,
        "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        "\"column\":{\"type\":\"string\",\"default\":\"region\","
        "\"description\":\"the column that says whose a row is; shown or lent by the mount\"},"
        "\"claim\":{\"type\":\"string\",\"default\":\"region\","
        "\"description\":\"the claim that says whose rows a caller may see\"}}}");
}

// What `configure` prepares and `decide` gets back, followed by the two texts and, for each table of the mount in its
// order, how many columns it shows, or 0 where it has no such column.
struct prepared {
    uint32_t column_len, claim_len, tables;
};

static bool configure(policy_string_t *settings, mountgate_policy_types_mount_t *mount, policy_list_u8_t *ret,
                      policy_string_t *err) {
    policy_string_t column = text("region"), claim = text("region");
    struct setting setting;
    settings_begin(&setting, settings);
    while (settings_next(&setting)) {
        if (same(setting.name, text("column"))) {
            column = setting.value;
        } else if (same(setting.name, text("claim"))) {
            claim = setting.value;
        } else {
            *err = JOIN(text("unknown setting `"), setting.name, text("`: there are `column`, `claim`"));
            return false;
        }
        if (!setting.is_text) {
            *err = JOIN(text("the setting `"), setting.name, text("` should be a string"));
            return false;
        }
    }
    if (setting.failed) {
        policy_string_dup(err, "the settings are no JSON object of strings");
        return false;
    }

    struct prepared head = {column.len, claim.len, mount->relations.len};
    ret->len = sizeof head + column.len + claim.len + mount->relations.len * sizeof(uint32_t);
    ret->ptr = malloc(ret->len);
    uint8_t *at = ret->ptr;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    memcpy(at, column.ptr, column.len);
    at += column.len;
    memcpy(at, claim.ptr, claim.len);
    at += claim.len;
    bool any = false;
    for (size_t i = 0; i < mount->relations.len; i++) {
        mountgate_policy_types_ceiling_relation_t *relation = &mount->relations.ptr[i];
        bool told_apart = has(&relation->columns, column) || has(&relation->lent, column);
        uint32_t shown = told_apart ? relation->columns.len : 0;
        memcpy(at + i * sizeof shown, &shown, sizeof shown);
        any |= shown > 0;
    }
    if (!any) {
        *err = JOIN(text("no table of `"), mount->name, text("` shows or lends `"), column, text("`"));
        return false;
    }
    return true;
}

bool exports_mountgate_policy_decisions_configure(policy_string_t *settings, mountgate_policy_types_mount_t *mount,
                                                  policy_list_u8_t *ret, policy_string_t *err) {
    bool good = configure(settings, mount, ret, err);
    policy_string_free(settings);
    exports_mountgate_policy_decisions_mount_free(mount);
    return good;
}

static void decide(const policy_list_u8_t *prepared, const mountgate_policy_types_request_t *request,
                   mountgate_policy_types_verdict_t *verdict) {
    struct prepared head;
    memcpy(&head, prepared->ptr, sizeof head);
    policy_string_t column = {prepared->ptr + sizeof head, head.column_len};
    policy_string_t claim = {column.ptr + column.len, head.claim_len};
    const uint8_t *tables = claim.ptr + claim.len;

    memset(verdict, 0, sizeof *verdict);
    bool known = false;
    for (size_t i = 0; i < request->claims.len; i++) known |= same(request->claims.ptr[i].name, claim);
    if (!known) {
        verdict->tag = MOUNTGATE_POLICY_TYPES_VERDICT_DENY;
        mountgate_policy_types_denial_t *deny = &verdict->val.deny;
        policy_string_dup(&deny->code, "no_claim");
        deny->reason = JOIN(text("your claims do not say `"), claim, text("`"));
        deny->hint.is_some = true;
        deny->hint.val = JOIN(text("ask with a session that has the claim `"), claim, text("`"));
        return;
    }

    verdict->tag = MOUNTGATE_POLICY_TYPES_VERDICT_ALLOW;
    mountgate_policy_types_grant_t *grant = &verdict->val.allow.grant;
    grant->tag = MOUNTGATE_POLICY_TYPES_GRANT_NARROWED;
    mountgate_policy_types_list_relation_grant_t *grants = &grant->val.narrowed;
    grants->ptr = calloc(request->touch.relations.len + 1, sizeof *grants->ptr);
    for (size_t place = 0; place < request->touch.relations.len; place++) {
        uint32_t shown;
        memcpy(&shown, tables + request->touch.relations.ptr[place].relation * sizeof shown, sizeof shown);
        if (shown == 0) continue;
        mountgate_policy_types_relation_grant_t *one = &grants->ptr[grants->len++];
        one->relation = place;
        // The ceiling's own masks and filter stay, whether repeated here or not.
        one->columns.len = shown;
        one->columns.ptr = calloc(shown, sizeof *one->columns.ptr);
        for (uint32_t i = 0; i < shown; i++) one->columns.ptr[i].column = i;
        // `column = claim`: a list of nodes, each before the one that uses it.
        mountgate_policy_types_node_t *nodes = calloc(3, sizeof *nodes);
        nodes[0].tag = MOUNTGATE_POLICY_TYPES_NODE_COLUMN;
        nodes[0].val.column = JOIN(column);
        nodes[1].tag = MOUNTGATE_POLICY_TYPES_NODE_CLAIM;
        nodes[1].val.claim = JOIN(claim);
        nodes[2].tag = MOUNTGATE_POLICY_TYPES_NODE_COMPARE;
        nodes[2].val.compare = (mountgate_policy_types_comparison_t){MOUNTGATE_POLICY_TYPES_COMPARE_OP_EQ, 0, 1};
        one->filter.is_some = true;
        one->filter.val.ptr = nodes;
        one->filter.val.len = 3;
    }
}

bool exports_mountgate_policy_decisions_decide(policy_list_u8_t *prepared, mountgate_policy_types_request_t *request,
                                               mountgate_policy_types_verdict_t *verdict, policy_string_t *err) {
    (void)err;
    decide(prepared, request, verdict);
    policy_list_u8_free(prepared);
    exports_mountgate_policy_decisions_request_free(request);
    return true;
}
