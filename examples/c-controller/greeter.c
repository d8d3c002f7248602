// For each Greeting, a ConfigMap that greets: the hello controller, in C.
#include "joch.h"

// What the ConfigMap says, as it stands between quotes in JSON.
static text greet(text name, text language) {
  text hello = TEXT("Hello");
  if (text_equal(language, TEXT("de"))) hello = TEXT("Hallo");
  if (text_equal(language, TEXT("fr"))) hello = TEXT("Bonjour");
  return JOIN(hello, TEXT(", "), name, TEXT("!"));
}

static bool is_blank(text name) {
  for (size_t i = 0; i < name.len; i++)
    if (name.ptr[i] != ' ') return false;
  return true;
}

// Makes the ConfigMap what it should be, owned by the object being reconciled. As everywhere in the
// bindings: true if all went well; if not, `err` says why.
static bool apply(text name, controller_option_string_t namespace, text greets, failure *err) {
  joch_kube_types_object_ref_t target = {
      .kind = {.version = TEXT("v1"), .kind = TEXT("ConfigMap")},
      .namespace_ = namespace,
      .name = name,
  };
  joch_kube_writer_own_change_t own = joch_kube_writer_constructor_change(&target);
  joch_kube_writer_borrow_change_t change = joch_kube_writer_borrow_change(own);
  joch_kube_writer_method_change_owned(change);
  joch_kube_writer_method_change_force(change);

  // The names of objects need no escapes.
  text map = JOIN(TEXT("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\""), name,
                  TEXT("\",\"namespace\":\""), namespace.val,
                  TEXT("\"},\"data\":{\"text\":\""), greets, TEXT("\"}}"));
  text stored;
  host_error error;
  if (joch_kube_writer_method_change_apply(change, &map, &stored, &error)) return true;
  *err = failure_of(JOIN(TEXT("ConfigMap "), name), &error);
  return false;
}

// Reports the status; the host adds times and generation, and writes only what differs. `fields` are
// further ones, each with a comma behind it.
static bool report(text phase, text ready, text reason, text message, text fields, failure *err) {
  text status = JOIN(TEXT("{"), fields, TEXT("\"phase\":\""), phase,
                     TEXT("\",\"conditions\":[{\"type\":\"Ready\",\"status\":\""), ready,
                     TEXT("\",\"reason\":\""), reason, TEXT("\",\"message\":\""), message,
                     TEXT("\"}]}"));
  joch_kube_status_verdict_t verdict;
  host_error error;
  if (joch_kube_status_report(&status, NULL, &verdict, &error)) return true;
  *err = failure_of(TEXT("the status"), &error);
  return false;
}

// What the world `controller` exports.
bool exports_joch_controller_reconciler_reconcile(
    exports_joch_controller_reconciler_borrow_request_t req,
    exports_joch_controller_reconciler_outcome_t *ret, failure *err) {
  joch_controller_context_object_ref_t target;
  joch_controller_context_method_request_target(req, &target);
  text object;
  joch_controller_context_method_request_object(req, &object);
  const json *greeting = json_parse(object);
  if (!greeting) {
    *err = permanent(TEXT("InvalidObject"), TEXT("the Greeting is no JSON document"));
    return false;
  }

  text name = json_string(greeting, (const char *const[]){"spec", "name"}, 2);
  text language = json_string(greeting, (const char *const[]){"spec", "language"}, 2);
  if (is_blank(name)) {
    text reason = TEXT("BlankName"), message = TEXT("spec.name is blank: there is nobody to greet");
    if (report(TEXT("Invalid"), TEXT("False"), reason, message, TEXT(""), err))
      *err = permanent(reason, message);
    return false;
  }

  text config_map = JOIN(target.name, TEXT("-greeting"));
  if (!apply(config_map, target.namespace_, greet(name, language), err)) return false;
  text fields = JOIN(TEXT("\"configMapName\":\""), config_map, TEXT("\","));
  ret->tag = JOCH_CONTROLLER_TYPES_OUTCOME_DONE;
  return report(TEXT("Ready"), TEXT("True"), TEXT("Greeted"), TEXT("the ConfigMap has the greeting"),
                fields, err);
}
