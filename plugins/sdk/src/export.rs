//! What [`plugin!`](crate::plugin) expands to: from the exported function to the controllers.

use crate::{Context, Controller, Error, Failure, Outcome, json};

pub use crate::bindings::{
    exports::joch::controller::reconciler::Guest,
    joch::controller::{
        context::Request,
        types::{Failure as HostFailure, Outcome as HostOutcome},
    },
};

/// Exports controllers under their names in the manifest, and puts the manifest into the component.
///
/// The manifest's path is relative to the folder of the crate's `Cargo.toml`. To be used once, in a
/// crate of type `cdylib`; see the [crate](crate) for an example.
#[macro_export]
macro_rules! plugin {
    (
        manifest: $manifest:literal,
        controllers: { $($name:literal => $controller:expr),+ $(,)? } $(,)?
    ) => {
        const _: () = {
            struct Plugin;

            impl $crate::export::Guest for Plugin {
                fn reconcile(
                    request: &$crate::export::Request,
                ) -> ::core::result::Result<$crate::export::HostOutcome, $crate::export::HostFailure> {
                    let cx = $crate::Context::of(request);
                    $crate::export::answer(match cx.controller() {
                        $($name => $crate::export::run(&$controller, &cx),)+
                        _ => $crate::export::unknown(&cx, &[$($name),+]),
                    })
                }
            }

            // Natively there is nobody to export to, and linkers refuse the names; the controllers
            // still count as used.
            #[cfg(not(target_arch = "wasm32"))]
            const _: $crate::export::Reconcile = <Plugin as $crate::export::Guest>::reconcile;

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                $crate::bindings::export!(Plugin with_types_in $crate::bindings);

                const MANIFEST: &[u8] =
                    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));
                #[used]
                #[unsafe(link_section = "joch:manifest")]
                static FRAME: [u8; $crate::manifest::HEADER + MANIFEST.len()] =
                    $crate::manifest::frame(MANIFEST);
            };
        };
    };
}

/// The exported function.
pub type Reconcile = fn(&Request) -> Result<HostOutcome, HostFailure>;

/// Calls one controller with the object in its own type.
pub fn run<C: Controller>(controller: &C, cx: &Context) -> Result<Outcome, Failure> {
    let object = json::decode(cx.target(), cx.object_json())
        .map_err(|error: Error| Failure::permanent("InvalidObject", error.to_string()))?;
    controller.reconcile(cx, object)
}

/// The host asked for a controller that the component does not hold.
pub fn unknown(cx: &Context, known: &[&str]) -> Result<Outcome, Failure> {
    let (asked, known) = (cx.controller(), known.join(", "));
    let message = format!("this component has no controller `{asked}`, only: {known}");
    Err(Failure::permanent("UnknownController", message))
}

/// Hands the answer over.
pub fn answer(answer: Result<Outcome, Failure>) -> Result<HostOutcome, HostFailure> {
    answer.map(Into::into).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    struct Echo;

    #[derive(Deserialize)]
    struct Named {
        name: String,
    }

    impl Controller for Echo {
        type Object = Named;

        fn reconcile(&self, _: &Context, object: Named) -> Result<Outcome, Failure> {
            Err(Failure::permanent("Echo", object.name))
        }
    }

    #[test]
    fn a_controller_gets_the_object_in_its_own_type() {
        let cx = Context::example("echo", r#"{"name":"x","more":1}"#);
        assert_eq!(run(&Echo, &cx), Err(Failure::permanent("Echo", "x")));
    }

    #[test]
    fn an_object_that_does_not_fit_is_a_permanent_failure_that_names_the_place() {
        let cx = Context::example("echo", r#"{"name":{}}"#);
        let message = "Example team/x: /name: invalid type: map, expected a string";
        assert_eq!(run(&Echo, &cx), Err(Failure::permanent("InvalidObject", message)));
    }

    #[test]
    fn an_unknown_controller_is_a_permanent_failure_that_names_the_known_ones() {
        let cx = Context::example("c", "{}");
        let message = "this component has no controller `c`, only: a, b";
        let expected = Failure::permanent("UnknownController", message);
        assert_eq!(unknown(&cx, &["a", "b"]), Err(expected));
    }
}
