//! Makes the HTTP request that a ConfigMap describes, with an ordinary client crate, and tells in the log
//! what it saw: the placeholder that it got for a Secret, and the server's answer or the error.
//!
//! The ConfigMap's `data`: `url` (without one, nothing is done); `method` (GET); `secret` (the Secret whose
//! key `token` goes into the header `authorization`); `body` (so many bytes); `times` (1); `follow` (if set,
//! a redirect is followed with the same header, as a careless client would).

use std::collections::BTreeMap;

use joch_plugin::bindings::joch::runtime::secrets::{SecretRef, placeholder};
use joch_plugin::{ConfigMap, Context, Controller, Failure, Outcome};
use serde_json::{Value, json};
use wstd::http::{Body, Client, Request};

joch_plugin::plugin! {
    manifest: "plugin.toml",
    controllers: { "caller" => Caller },
}

struct Caller;

impl Controller for Caller {
    type Object = ConfigMap;

    fn reconcile(&self, cx: &Context, map: ConfigMap) -> Result<Outcome, Failure> {
        let Some(url) = map.data.get("url") else { return Ok(Outcome::Done) };
        let authorization = match map.data.get("secret") {
            None => String::new(),
            Some(name) => {
                let (name, key) = (name.clone(), "token".to_owned());
                match placeholder(&SecretRef { namespace: None, name, key }) {
                    Ok(text) => format!("Bearer {text}"),
                    Err(error) => {
                        tell(cx, &json!({ "error": format!("{error:?}") }));
                        return Ok(Outcome::Done);
                    }
                }
            }
        };
        let times = map.data.get("times").and_then(|times| times.parse().ok()).unwrap_or(1);
        for _ in 0..times {
            let mut seen = send(url, &authorization, &map.data);
            let location = seen.get("location").and_then(Value::as_str).map(str::to_owned);
            if let Some(location) = location.filter(|_| map.data.contains_key("follow")) {
                tell(cx, &seen);
                seen = send(&location, &authorization, &map.data);
            }
            tell(cx, &seen);
        }
        Ok(Outcome::Done)
    }
}

fn tell(cx: &Context, seen: &Value) {
    cx.info(&json!({ "caller": cx.name(), "saw": seen }).to_string(), &[]);
}

/// Sends one request; what became of it.
fn send(url: &str, authorization: &str, data: &BTreeMap<String, String>) -> Value {
    let exchange = async {
        let method = data.get("method").map_or("GET", String::as_str);
        let size = data.get("body").and_then(|size| size.parse().ok()).unwrap_or(0);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", authorization)
            .body(Body::from(vec![b'x'; size]))?;
        let response = Client::new().send(request).await?;
        let status = response.status().as_u16();
        let location = response.headers().get("location").and_then(|to| to.to_str().ok());
        let location = location.map(str::to_owned);
        let mut body = response.into_body();
        let body = body.str_contents().await?;
        let short: String = body.chars().take(200).collect();
        Ok::<_, wstd::http::Error>(json!({
            "status": status, "location": location, "length": body.len(), "body": short,
        }))
    };
    let seen = wstd::runtime::block_on(exchange);
    let mut seen = seen.unwrap_or_else(|error| json!({ "error": format!("{error:?}") }));
    if let Some(fields) = seen.as_object_mut() {
        fields.insert("sent".to_owned(), authorization.into());
    }
    seen
}
