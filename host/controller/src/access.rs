//! Whether the host may do itself what it grants: asked of the API server before a plugin loads
//! (SelfSubjectAccessReview), so that a missing role is told in one sentence instead of one refused call
//! after the other.
//!
//! # Guarantees
//! - A refusal is the API server's own: what cannot be asked is unknown, never missing.
//! - Kinds that the API server does not serve (yet) are left out: the plugin waits for them anyway.
//! - Bounded: so many questions a plugin, so many under way over all plugins, each within its time, in which
//!   it waits for its turn, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _};
use joch_core::authority::Authority;
use joch_core::manifest::Manifest;
use joch_core::needs::{self, Need, Needs, Where};
use joch_core::object::Gvk;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::Semaphore;

use crate::kinds::{Kinds, Served, lock};

/// How many questions may be under way at once.
const UNDER_WAY: usize = 8;
/// How many questions are asked for one plugin: enough for 100 parts in 20 namespaces.
const QUESTIONS: usize = 2_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(30);

/// What the host may not do of what a plugin needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// What the API server refuses to the host: verb, kind and place, as texts for people.
    pub missing: Vec<String>,
    /// What could not be asked, and why.
    pub unknown: Vec<String>,
}

/// Asks what the host may do, and remembers the answers for a while.
pub struct Accesses {
    client: Client,
    kinds: Kinds,
    /// The namespaces that the host looks at; empty is all.
    namespaces: Vec<String>,
    answers: Mutex<HashMap<Question, (Instant, bool)>>,
    /// Over all plugins: each question under way is a connection, which is kept for a while afterwards.
    under_way: Semaphore,
}

/// One question: this, in this namespace (none: in all, or in the cluster scope).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    need: Need,
    namespace: Option<String>,
    resource: String,
}

impl Accesses {
    /// A memory without answers. `namespaces` are those that the host looks at; empty is all.
    #[must_use]
    pub fn new(client: Client, namespaces: Vec<String>) -> Self {
        let kinds = Kinds::new(client.clone());
        let (answers, under_way) = (Mutex::default(), Semaphore::new(UNDER_WAY));
        Self { client, kinds, namespaces, answers, under_way }
    }

    /// Asks whether the host may do what it would do for this plugin with this authority.
    pub async fn check(&self, manifest: &Manifest, authority: &Authority) -> Access {
        self.ask(|namespaced| needs::of_plugin(manifest, authority, namespaced)).await
    }

    /// Asks whether the host may do what it does whatever the plugins.
    pub async fn check_host(&self) -> Access {
        self.ask(|_| needs::of_host()).await
    }

    async fn ask(&self, needs: impl Fn(&dyn Fn(&Gvk) -> Option<bool>) -> Needs) -> Access {
        let mut access = Access::default();
        // Which kinds are concerned does not depend on where their objects are.
        let kinds = needs(&|_| None).into_keys().map(|need| need.kind).collect();
        let served = self.served(kinds, &mut access.unknown).await;
        let needs = needs(&|kind| served.get(kind).map(|served| served.namespaced));
        let mut questions: Vec<Question> = Vec::new();
        for need in needs.into_keys() {
            let Some(served) = served.get(&need.kind) else { continue };
            questions.extend(self.questions(&need, served));
        }
        if questions.len() > QUESTIONS {
            let text = format!("{} further questions", questions.len() - QUESTIONS);
            access.unknown.push(format!("{text}: at most {QUESTIONS} are asked for a plugin"));
            questions.truncate(QUESTIONS);
        }
        let down = AtomicBool::new(false);
        // Made before they are polled: a closure in the stream would keep the whole from being sent
        // between threads.
        let asked: Vec<_> =
            questions.iter().map(|question| self.answer(question, &down).boxed()).collect();
        let answers: Vec<_> = futures::stream::iter(asked).buffered(UNDER_WAY).collect().await;
        for (question, answer) in questions.iter().zip(answers) {
            match answer {
                Ok(true) => {}
                Ok(false) => access.missing.push(question.to_string()),
                Err(reason) => access.unknown.push(format!("{question}: {reason}")),
            }
        }
        access
    }

    /// The resources of these kinds, as far as they are served.
    async fn served(
        &self,
        kinds: BTreeSet<Gvk>,
        unknown: &mut Vec<String>,
    ) -> BTreeMap<Gvk, Served> {
        let mut served = BTreeMap::new();
        for kind in kinds {
            let found = async {
                let _turn = self.under_way.acquire().await;
                self.kinds.look_up(&kind).await
            };
            match tokio::time::timeout(PATIENCE, found).await {
                Ok(Ok(Some(found))) => drop(served.insert(kind, found)),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => unknown.push(format!("{kind}: {error}")),
                Err(_) => {
                    unknown.push(format!("{kind}: the API server does not answer"));
                    return served;
                }
            }
        }
        served
    }

    fn questions(&self, need: &Need, served: &Served) -> Vec<Question> {
        let question = |namespace: Option<&String>| Question {
            need: need.clone(),
            namespace: namespace.cloned(),
            resource: served.resource.plural.clone(),
        };
        match &need.place {
            Where::Namespace(name) => vec![question(Some(name))],
            Where::Watched if !self.namespaces.is_empty() => {
                self.namespaces.iter().map(|name| question(Some(name))).collect()
            }
            Where::Watched | Where::Cluster => vec![question(None)],
        }
    }

    /// The API server's answer, or the one that it gave a while ago. Once it does not answer, nothing more
    /// is asked.
    async fn answer(&self, question: &Question, down: &AtomicBool) -> Result<bool, String> {
        if let Some(allowed) = self.remembered(question) {
            return Ok(allowed);
        }
        let failed = |reason: String| {
            down.store(true, Ordering::Relaxed);
            reason
        };
        tokio::time::timeout(PATIENCE, self.asked(question, down))
            .await
            .map_err(|_| failed(format!("the API server did not answer within {PATIENCE:?}")))?
            .map_err(failed)
    }

    async fn asked(&self, question: &Question, down: &AtomicBool) -> Result<bool, String> {
        let _turn = self.under_way.acquire().await.map_err(|error| error.to_string())?;
        // Another plugin may have asked the same meanwhile.
        if let Some(allowed) = self.remembered(question) {
            return Ok(allowed);
        }
        if down.load(Ordering::Relaxed) {
            return Err("the API server does not answer".to_owned());
        }
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &question.review()).await;
        let status = answer.map_err(|error| error.to_string())?.status;
        let allowed = status.is_some_and(|status| status.allowed);
        let mut answers = lock(&self.answers);
        answers.retain(|_, (at, _)| at.elapsed() < HOLDS);
        answers.insert(question.clone(), (Instant::now(), allowed));
        Ok(allowed)
    }

    fn remembered(&self, question: &Question) -> Option<bool> {
        let (at, allowed) = lock(&self.answers).get(question).copied()?;
        (at.elapsed() < HOLDS).then_some(allowed)
    }
}

impl Question {
    fn review(&self) -> SelfSubjectAccessReview {
        let Need { kind, subresource, name, verb, .. } = &self.need;
        let attributes = ResourceAttributes {
            group: Some(kind.group.to_string()),
            version: Some(kind.version.to_string()),
            resource: Some(self.resource.clone()),
            subresource: subresource.clone(),
            name: name.clone(),
            namespace: self.namespace.clone(),
            verb: Some(verb.as_str().to_owned()),
            ..ResourceAttributes::default()
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { need, namespace, .. } = self;
        match (namespace, &need.place) {
            (Some(namespace), _) => write!(f, "{need} in namespace {namespace}"),
            (None, Where::Cluster) => write!(f, "{need} in the cluster scope"),
            (None, _) => write!(f, "{need} in all namespaces"),
        }
    }
}

#[cfg(test)]
mod tests {
    use joch_core::grants_file::GrantsFile;
    use kube::Config;

    use super::*;

    #[tokio::test]
    async fn an_api_server_that_cannot_be_asked_makes_everything_unknown_and_nothing_missing() {
        let manifest = Manifest::parse(
            "manifest = 1\n\
             plugin = { name = \"p\", version = \"1\", kind = \"controller\", track = \"0.1\" }\n\
             [[controller]]\nname = \"c\"\n\
             primary = { group = \"a.io\", version = \"v1\", kind = \"A\" }\n",
        )
        .unwrap();
        let authority = GrantsFile::requested().authority(&manifest).unwrap();
        // Nobody listens there: the port was free, and belongs to a listener that is gone.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut config = Config::new(format!("http://{address}").parse().unwrap());
        config.default_retry = false;
        let accesses = Accesses::new(Client::try_from(config).unwrap(), Vec::new());
        let access = accesses.check(&manifest, &authority).await;
        assert_eq!(access.missing, Vec::<String>::new());
        assert!(access.unknown.iter().any(|text| text.starts_with("a.io/v1/A: ")), "{access:?}");
    }
}
