//! Which member a plugin belongs to, by rendezvous hashing: every replica comes to the same answer without
//! asking, and a member that comes or goes moves only the plugins that are or become its own.

use crate::name::{Digest, PluginName};

/// The member of `members` that a plugin belongs to.
pub(super) fn owner<'a>(
    plugin: &PluginName,
    members: impl IntoIterator<Item = &'a String>,
) -> Option<&'a String> {
    members.into_iter().max_by_key(|member| weight(plugin, member))
}

fn weight(plugin: &PluginName, member: &str) -> Digest {
    Digest::of(format!("{plugin}\n{member}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins() -> Vec<PluginName> {
        (0..300).map(|index| format!("plugin-{index}").parse().unwrap()).collect()
    }

    #[test]
    fn plugins_are_spread_evenly() {
        let members: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let plugins = plugins();
        for member in &members {
            let own = plugins.iter().filter(|name| owner(name, &members) == Some(member)).count();
            assert!((60..140).contains(&own), "{member} has {own} of 300");
        }
    }

    #[test]
    fn a_member_that_comes_or_goes_moves_only_its_own() {
        let three: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        for name in &plugins() {
            let before = owner(name, &three);
            let after = owner(name, &three[..2]);
            assert!(before == after || before == Some(&three[2]), "{name}");
        }
        assert_eq!(owner(&plugins()[0], &[]), None);
    }
}
