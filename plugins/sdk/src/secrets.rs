//! Values of Secrets, used without being seen.

use crate::{
    Context, Error, Gvk, ObjectRef, bindings::joch::runtime::secrets::SecretRef, host::Calls as _,
};

impl Context {
    /// One value of a Secret, by default of one in the namespace of the object being reconciled.
    ///
    /// ```
    /// # use joch_plugin::{Context, Failure};
    /// # fn example(cx: &Context) -> Result<String, Failure> {
    /// let token = cx.secret("registry", "token").placeholder()?;
    /// let authorization = format!("Bearer {token}"); // a header of an outgoing request
    /// # Ok(authorization) }
    /// ```
    pub fn secret(&self, name: impl Into<String>, key: impl Into<String>) -> SecretValue<'_> {
        let namespace = self.namespace().map(str::to_owned);
        SecretValue {
            cx: self,
            secret: SecretRef { namespace, name: name.into(), key: key.into() },
        }
    }
}

/// One value of a Secret, made by [`Context::secret`].
#[derive(Debug)]
#[must_use = "nothing is asked for before `placeholder` or `reveal`"]
pub struct SecretValue<'cx> {
    cx: &'cx Context,
    secret: SecretRef,
}

impl SecretValue<'_> {
    /// Means a Secret of this namespace instead of the one of the object being reconciled.
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.secret.namespace = Some(namespace.into());
        self
    }

    /// A text that stands for the value: in a header of an outgoing request to a host that the grant
    /// names, the host puts the value in its place. Good for this call only.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], `NotFound`, `OverLimit`, `Unavailable`.
    pub fn placeholder(self) -> Result<String, Error> {
        self.cx.host().placeholder(&self.secret).map_err(Error::about(&self.target()))
    }

    /// The value itself; only with a grant that says `reveal`.
    ///
    /// # Errors
    ///
    /// As [`placeholder`](Self::placeholder), and `Invalid` if the value is not UTF-8.
    pub fn reveal(self) -> Result<String, Error> {
        self.cx.host().reveal(&self.secret).map_err(Error::about(&self.target()))
    }

    fn target(&self) -> ObjectRef {
        let SecretRef { namespace, name, .. } = &self.secret;
        let (namespace, name) = (namespace.clone(), name.clone());
        ObjectRef { kind: Gvk::new("v1", "Secret"), namespace, name, uid: None }
    }
}
