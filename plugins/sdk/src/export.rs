//! What [`plugin!`](crate::plugin) expands to: from the exported functions to the controllers.

use crate::{Context, Controller, Error, Failure, Outcome, json};

#[cfg(target_arch = "wasm32")]
pub use component::{Finalizer, HostFailure, HostOutcome, Reconciler, Request, answer};

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
            fn dispatch(
                cx: &$crate::Context,
                step: $crate::export::Step,
            ) -> ::core::result::Result<$crate::Outcome, $crate::Failure> {
                match cx.controller() {
                    $($name => $crate::export::run(&$controller, cx, step),)+
                    _ => $crate::export::unknown(cx, &[$($name),+]),
                }
            }

            // Natively there is nobody to export to; the controllers still count as used.
            #[cfg(not(target_arch = "wasm32"))]
            const _: $crate::export::Dispatch = dispatch;

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                use $crate::export::{Finalizer, HostFailure, HostOutcome, Reconciler, Request, Step};

                struct Plugin;

                impl Reconciler for Plugin {
                    fn reconcile(
                        request: &Request,
                    ) -> ::core::result::Result<HostOutcome, HostFailure> {
                        $crate::export::answer(request, Step::Reconcile, dispatch)
                    }
                }

                impl Finalizer for Plugin {
                    fn finalize(
                        request: &Request,
                    ) -> ::core::result::Result<HostOutcome, HostFailure> {
                        $crate::export::answer(request, Step::Finalize, dispatch)
                    }
                }

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

/// Which of a controller's functions is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `reconcile`.
    Reconcile,
    /// `finalize`.
    Finalize,
}

/// From the controller's name to its answer.
pub type Dispatch = fn(&Context, Step) -> Result<Outcome, Failure>;

/// Calls one controller with the object in its own type.
pub fn run<C: Controller>(controller: &C, cx: &Context, step: Step) -> Result<Outcome, Failure> {
    let object = json::decode(cx.target(), cx.object_json())
        .map_err(|error: Error| Failure::permanent("InvalidObject", error.to_string()))?;
    match step {
        Step::Reconcile => controller.reconcile(cx, object),
        Step::Finalize => controller.finalize(cx, object),
    }
}

/// The host asked for a controller that the component does not hold.
pub fn unknown(cx: &Context, known: &[&str]) -> Result<Outcome, Failure> {
    let (asked, known) = (cx.controller(), known.join(", "));
    let message = format!("this component has no controller `{asked}`, only: {known}");
    Err(Failure::permanent("UnknownController", message))
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::{Dispatch, Step};
    use crate::{Context, Timestamp, host::Host};

    pub use crate::bindings::{
        exports::joch::controller::{
            finalizer::Guest as Finalizer, reconciler::Guest as Reconciler,
        },
        joch::controller::{
            context::Request,
            types::{Failure as HostFailure, Outcome as HostOutcome},
        },
    };

    /// Takes over what the host says about the call, and hands the answer over.
    pub fn answer(
        request: &Request,
        step: Step,
        dispatch: Dispatch,
    ) -> Result<HostOutcome, HostFailure> {
        let cx = Context {
            host: Host,
            controller: request.controller(),
            target: request.target(),
            object: request.object(),
            now: Timestamp::from_unix_ms(request.now_unix_ms()),
            attempt: request.attempt(),
        };
        dispatch(&cx, step).map(Into::into).map_err(Into::into)
    }
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
        assert_eq!(run(&Echo, &cx, Step::Reconcile), Err(Failure::permanent("Echo", "x")));
    }

    #[test]
    fn a_controller_without_clean_up_has_nothing_left_to_do() {
        let cx = Context::example("echo", r#"{"name":"x"}"#);
        assert_eq!(run(&Echo, &cx, Step::Finalize), Ok(Outcome::Done));
    }

    #[test]
    fn an_object_that_does_not_fit_is_a_permanent_failure_that_names_the_place() {
        let cx = Context::example("echo", r#"{"name":{}}"#);
        let message = "Example team/x: /name: invalid type: map, expected a string";
        let expected = Err(Failure::permanent("InvalidObject", message));
        assert_eq!(run(&Echo, &cx, Step::Reconcile), expected);
        assert_eq!(run(&Echo, &cx, Step::Finalize), expected);
    }

    #[test]
    fn an_unknown_controller_is_a_permanent_failure_that_names_the_known_ones() {
        let cx = Context::example("c", "{}");
        let message = "this component has no controller `c`, only: a, b";
        let expected = Failure::permanent("UnknownController", message);
        assert_eq!(unknown(&cx, &["a", "b"]), Err(expected));
    }
}
