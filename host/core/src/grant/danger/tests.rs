//! The table of what needs the word `dangerous`.

use super::*;
use crate::grant::Namespaces;

fn dangerous(verb: Verb, target: &str) -> bool {
    let (kind, subresource) = match target.split_once(' ') {
        Some((kind, subresource)) => (kind, Some(subresource)),
        None => (target, None),
    };
    of_part(&kind.parse().unwrap(), subresource, verb).is_some()
}

#[test]
fn reading_and_writing_by_kind_and_subresource() {
    // target, whether reading is dangerous, whether writing is
    let table = [
        ("v1/Pod", false, true),
        ("v1/Pod status", false, true),
        ("v1/Pod log", false, true),
        ("v1/Pod exec", true, true),
        ("v1/Pod attach", true, true),
        ("v1/Pod portforward", true, true),
        ("v1/Pod proxy", true, true),
        ("v1/Pod ephemeralcontainers", true, true),
        ("v1/Pod eviction", true, true),
        ("v1/Pod binding", false, true),
        ("v1/Binding", false, true),
        ("v1/ReplicationController", false, true),
        ("v1/ReplicationController scale", false, true),
        ("apps/v1/Deployment", false, true),
        ("apps/v1/Deployment scale", false, true),
        ("apps/v1beta1/StatefulSet", false, true),
        ("apps/v1/DaemonSet", false, true),
        ("batch/v1/Job", false, true),
        ("batch/v1/CronJob", false, true),
        ("v1/Secret", true, true),
        ("v1/ServiceAccount", false, true),
        ("v1/ServiceAccount token", true, true),
        ("rbac.authorization.k8s.io/v1/ClusterRole", false, true),
        ("rbac.authorization.k8s.io/v1/RoleBinding", false, true),
        ("apiextensions.k8s.io/v1/CustomResourceDefinition", false, true),
        ("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy", false, true),
        ("admissionregistration.k8s.io/v1/MutatingWebhookConfiguration", false, true),
        ("apiregistration.k8s.io/v1/APIService", false, true),
        ("certificates.k8s.io/v1/CertificateSigningRequest", false, true),
        ("certificates.k8s.io/v1/CertificateSigningRequest approval", false, true),
        ("v1/Node", false, true),
        ("v1/Node proxy", true, true),
        ("v1/Service", false, false),
        ("v1/Service proxy", true, true),
        ("v1/Namespace", false, true),
        ("v1/Namespace finalize", false, true),
        ("v1/PersistentVolume", false, true),
        ("v1/Endpoints", false, true),
        ("discovery.k8s.io/v1/EndpointSlice", false, true),
        ("v1/ConfigMap", false, false),
        ("v1/PersistentVolumeClaim", false, false),
        ("v1/Event", false, false),
        ("events.k8s.io/v1/Event", false, false),
        ("kubetask.io/v1alpha1/Task", false, false),
        ("kubetask.io/v1alpha1/Task scale", false, false),
        // Kinds of the same name in other groups are others.
        ("a.io/v1/Pod", false, false),
        ("a.io/v1/Secret", false, false),
    ];
    for (target, reading, writing) in table {
        for verb in [Verb::Get, Verb::List, Verb::Watch] {
            assert_eq!(dangerous(verb, target), reading, "{verb:?} {target}");
        }
        for verb in [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete] {
            assert_eq!(dangerous(verb, target), writing, "{verb:?} {target}");
        }
    }
}

#[test]
fn hosts_that_are_anywhere_or_hand_out_credentials() {
    let table = [
        ("*", true),
        ("http://*", true),
        ("*:8443", true),
        ("*.com", true),
        ("*.example.com", false),
        ("api.example.com", false),
        ("http://169.254.169.254", true),
        ("http://[fe80::1]", true),
        ("http://[::ffff:169.254.169.254]", true),
        ("http://metadata.google.internal", true),
        ("http://127.0.0.1:8080", false),
    ];
    for (pattern, dangerous) in table {
        assert_eq!(of_host(&pattern.parse().unwrap()).is_some(), dangerous, "{pattern}");
    }
}

#[test]
fn only_the_dangerous_parts_of_a_rule_are_taken_out() {
    let kinds = ["v1/ConfigMap", "v1/Pod", "v1/Secret"].map(|kind| kind.parse().unwrap());
    let rule = KubeRule {
        verbs: vec![Verb::Get, Verb::Create],
        kinds: kinds.to_vec(),
        subresources: Vec::new(),
        namespaces: Namespaces::Same,
        required: true,
    };
    let left = harmless_kube(&rule);
    let parts: Vec<String> = left.iter().flat_map(KubeRule::parts).map(|p| p.to_string()).collect();
    assert_eq!(
        parts,
        [
            "get on v1/ConfigMap in the same namespace",
            "create on v1/ConfigMap in the same namespace",
            "get on v1/Pod in the same namespace"
        ]
    );
    let exec = KubeRule { subresources: vec!["exec".into(), "log".into()], ..rule };
    let left = harmless_kube(&KubeRule { kinds: kinds[1..2].to_vec(), ..exec });
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((&*left[0].verbs, &*left[0].subresources), (&[Verb::Get][..], &["log".into()][..]));
}
