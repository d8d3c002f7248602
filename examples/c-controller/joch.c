// See joch.h.
#include "joch.h"

#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS // or the time grows with the square of an object's members
#include <jsmn.h>

struct json {
  const char *text;
  const jsmntok_t *tokens;
};

static void *allocate(size_t size) {
  void *memory = malloc(size);
  if (!memory) abort(); // The host has ended the instance before, at its limit.
  return memory;
}

text text_join(const text *parts, size_t count) {
  text all = {NULL, 0};
  for (size_t i = 0; i < count; i++) all.len += parts[i].len;
  uint8_t *end = all.ptr = allocate(all.len + 1);
  for (size_t i = 0; i < count; i++) {
    memcpy(end, parts[i].ptr, parts[i].len);
    end += parts[i].len;
  }
  return all;
}

bool text_equal(text a, text b) {
  return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

const json *json_parse(text document) {
  const char *bytes = (const char *)document.ptr;
  jsmn_parser parser;
  jsmn_init(&parser);
  int count = jsmn_parse(&parser, bytes, document.len, NULL, 0);
  if (count < 1) return NULL;
  jsmntok_t *tokens = allocate(count * sizeof *tokens);
  jsmn_init(&parser);
  jsmn_parse(&parser, bytes, document.len, tokens, count);
  json *parsed = allocate(sizeof *parsed);
  *parsed = (json){bytes, tokens};
  return parsed;
}

static bool is(const json *document, const jsmntok_t *token, const char *word) {
  size_t length = token->end - token->start;
  return strlen(word) == length && memcmp(document->text + token->start, word, length) == 0;
}

// The value of a member of an object; NULL if there is none.
static const jsmntok_t *member(const json *document, const jsmntok_t *object, const char *name) {
  if (object->type != JSMN_OBJECT) return NULL;
  const jsmntok_t *key = object + 1;
  for (int i = 0; i < object->size; i++) {
    const jsmntok_t *value = key + 1;
    if (is(document, key, name)) return value;
    // The next key is the first token behind the value and all that is in it; there is one, or this
    // was the last.
    key = value + 1;
    while (i + 1 < object->size && key->start < value->end) key++;
  }
  return NULL;
}

text json_string(const json *document, const char *const *path, size_t depth) {
  const jsmntok_t *at = document->tokens;
  for (size_t i = 0; at && i < depth; i++) at = member(document, at, path[i]);
  if (!at || at->type != JSMN_STRING) return TEXT("");
  return (text){(uint8_t *)document->text + at->start, at->end - at->start};
}

failure permanent(text reason, text message) {
  failure made = {.tag = JOCH_CONTROLLER_TYPES_FAILURE_PERMANENT};
  // Copies, because the bindings free the texts of an answer.
  made.val.permanent.reason = JOIN(reason);
  made.val.permanent.message = JOIN(message);
  return made;
}

static failure transient(text reason, text message, controller_option_u64_t retry_after_ms) {
  failure made = {.tag = JOCH_CONTROLLER_TYPES_FAILURE_TRANSIENT};
  made.val.transient.reason = JOIN(reason);
  made.val.transient.message = JOIN(message);
  made.val.transient.retry_after_ms = retry_after_ms;
  return made;
}

// The texts of a list, a blank before each.
static text listed(controller_list_string_t list) {
  text all = TEXT("");
  for (size_t i = 0; i < list.len; i++) all = JOIN(all, TEXT(" "), list.ptr[i]);
  return all;
}

failure failure_of(text subject, const host_error *error) {
  const controller_option_u64_t soon = {0};
  switch (error->tag) {
  case JOCH_KUBE_TYPES_ERROR_DENIED:
    return permanent(TEXT("Denied"),
                     JOIN(subject, TEXT(": not granted: "), error->val.denied.missing_grant));
  case JOCH_KUBE_TYPES_ERROR_INVALID:
    return permanent(TEXT("Invalid"), JOIN(subject, TEXT(": "), error->val.invalid));
  case JOCH_KUBE_TYPES_ERROR_NOT_WATCHED:
    return permanent(TEXT("NotWatched"), JOIN(subject, TEXT(": plugin.toml watches no "),
                                              error->val.not_watched));
  case JOCH_KUBE_TYPES_ERROR_OWNED_BY_OTHER:
    return permanent(TEXT("OwnedByOther"),
                     JOIN(subject, TEXT(": others own"), listed(error->val.owned_by_other)));
  case JOCH_KUBE_TYPES_ERROR_NOT_FOUND:
    return transient(TEXT("NotFound"), JOIN(subject, TEXT(": there is none")), soon);
  case JOCH_KUBE_TYPES_ERROR_ALREADY_EXISTS:
    return transient(TEXT("AlreadyExists"), JOIN(subject, TEXT(": exists already")), soon);
  case JOCH_KUBE_TYPES_ERROR_STALE:
    return transient(TEXT("Stale"), JOIN(subject, TEXT(": has changed meanwhile")), soon);
  case JOCH_KUBE_TYPES_ERROR_OVER_LIMIT:
    return transient(TEXT("OverLimit"), JOIN(subject, TEXT(": "), error->val.over_limit), soon);
  case JOCH_KUBE_TYPES_ERROR_UNAVAILABLE:
    return transient(TEXT("Unavailable"),
                     JOIN(subject, TEXT(": the API server cannot answer now")),
                     error->val.unavailable);
  case JOCH_KUBE_TYPES_ERROR_FENCED:
    return transient(TEXT("Fenced"), JOIN(subject, TEXT(": another replica goes on")), soon);
  case JOCH_KUBE_TYPES_ERROR_OTHER:
    return transient(TEXT("HostError"), JOIN(subject, TEXT(": "), error->val.other), soon);
  default:
    return transient(TEXT("HostError"), JOIN(subject, TEXT(": failed")), soon);
  }
}
