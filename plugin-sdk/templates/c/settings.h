// Settings: one JSON object of strings, read key by key. What is not that sets `failed`.

#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdlib.h>
#include <string.h>

#include "policy.h"

struct setting {
    policy_string_t name, value;
    bool is_text, failed;
    const uint8_t *at, *end;
    bool first;
};

static inline void settings_space(struct setting *s) {
    while (s->at < s->end && strchr(" \t\r\n", *s->at)) s->at++;
}

static inline bool settings_eat(struct setting *s, char symbol) {
    settings_space(s);
    if (s->at >= s->end || *s->at != symbol) return false;
    s->at++;
    return true;
}

// A string in quotes. Settings come as the gateway writes them: non-ASCII as itself, escapes for quotes and controls.
static inline bool settings_text(struct setting *s, policy_string_t *out) {
    if (!settings_eat(s, '"')) return false;
    out->ptr = malloc(s->end - s->at + 1);
    out->len = 0;
    while (s->at < s->end && *s->at != '"') {
        uint8_t byte = *s->at++;
        if (byte == '\\') {
            if (s->at >= s->end) return false;
            byte = *s->at++;
            if (byte == 'n') byte = '\n';
            else if (byte == 't') byte = '\t';
            else if (byte != '"' && byte != '\\' && byte != '/') return false;
        }
        out->ptr[out->len++] = byte;
    }
    return settings_eat(s, '"');
}

static inline void settings_begin(struct setting *s, const policy_string_t *json) {
    memset(s, 0, sizeof *s);
    s->at = json->ptr;
    s->end = json->ptr + json->len;
    s->failed = !settings_eat(s, '{');
    s->first = true;
}

// The next name and its value; `false` at the end, or where `failed`.
static inline bool settings_next(struct setting *s) {
    if (s->failed || settings_eat(s, '}')) return false;
    if (!s->first && !settings_eat(s, ',')) s->failed = true;
    s->first = false;
    if (s->failed || !settings_text(s, &s->name) || !settings_eat(s, ':')) {
        s->failed = true;
        return false;
    }
    s->is_text = settings_text(s, &s->value);
    // A value that is no string ends the reading: the caller says which setting it is.
    if (!s->is_text) s->at = s->end;
    return true;
}

#endif
