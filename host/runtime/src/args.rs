//! The host's flags. Each can be given as an environment variable; a flag beats the variable.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{
    ArgMatches, Args as ClapArgs, Command, CommandFactory as _, FromArgMatches as _, Parser,
    ValueEnum,
};

use joch_core::lease::{Times, UnsafeTimes};
use joch_core::name::PluginName;

use crate::selection;

/// What the process was started for.
#[derive(Debug, Clone)]
pub(crate) enum Invocation {
    /// To run controllers.
    Run(Box<Args>),
    /// To print the roles that it needs.
    Rbac(RbacArgs),
}

impl Invocation {
    /// Reads the process's flags and environment; ends the process with a usage message if they are wrong.
    pub(crate) fn parse() -> Self {
        Self::read(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
    }

    fn read(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        // What the environment says to the host is nothing to a subcommand.
        if words.get(1).is_some_and(|word| word == "rbac") {
            command = command.mut_args(|arg| arg.env(None::<&'static str>));
        }
        command.try_get_matches_from(words).and_then(|matches| Self::of(&matches))
    }

    /// The flags of the host, with its subcommands, which cannot be mixed with them.
    fn command() -> Command {
        Args::command()
            .subcommand(RbacArgs::command())
            .subcommand_negates_reqs(true)
            .args_conflicts_with_subcommands(true)
    }

    fn of(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand_matches("rbac") {
            Some(matches) => RbacArgs::from_arg_matches(matches).map(Self::Rbac),
            None => Args::from_arg_matches(matches).map(|args| Self::Run(Box::new(args))),
        }
    }
}

/// Runs Joch's controllers: WebAssembly components loaded from a folder, each reconciling Kubernetes
/// resources within its grants and limits
#[derive(Debug, Clone, Parser)]
#[command(name = "joch-controller-manager", version)]
pub(crate) struct Args {
    /// Folder of plugins (*.wasm); a changed file is swapped in while the host runs. Without it, plugins
    /// come from Plugin objects only
    #[arg(long, value_name = "DIR", env = "JOCH_PLUGIN_DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,

    /// Plugin to run, repeatable or separated by commas; by default all
    #[arg(
        long, value_name = "NAME", env = "JOCH_PLUGINS", value_delimiter = ',',
        value_parser = selection::plugin_name
    )]
    pub(crate) plugins: Vec<PluginName>,

    /// API group, repeatable or separated by commas: plugins that reconcile a kind of it are run; by
    /// default all
    #[arg(
        long, value_name = "GROUP", env = "JOCH_GROUPS", value_delimiter = ',',
        value_parser = selection::group
    )]
    pub(crate) groups: Vec<String>,

    /// Whether plugins come from Plugin objects too, and those of the folder are shown as such
    #[arg(
        long, value_name = "BOOL", env = "JOCH_PLUGIN_OBJECTS", default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub(crate) plugin_objects: bool,

    /// Kubeconfig file; by default as kubectl finds it, or the pod's service account
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Grants file: what each plugin may do; without it, plugins may only read
    #[arg(long, value_name = "FILE", env = "JOCH_GRANTS")]
    pub(crate) grants: Option<PathBuf>,

    /// Namespace to watch, repeatable or separated by commas; by default all
    #[arg(long = "namespace", value_name = "NS", env = "JOCH_NAMESPACES", value_delimiter = ',')]
    pub(crate) namespaces: Vec<String>,

    /// Address of /healthz, /readyz, /metrics and /debug/plugins
    #[arg(long, value_name = "ADDR", env = "JOCH_ADMIN", default_value = "127.0.0.1:9440")]
    pub(crate) admin: SocketAddr,

    /// Folder of compiled plugins, private to the host; by default below the user's cache folder
    #[arg(long, value_name = "DIR", env = "JOCH_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// How many calls of guests may be under way at once, over all plugins
    #[arg(long, value_name = "N", env = "JOCH_MAX_INSTANCES", default_value_t = 128)]
    pub(crate) max_instances: u32,

    /// How long calls under way may take to finish when the host is told to stop
    #[arg(long, value_name = "TIME", env = "JOCH_DRAIN", default_value = "60s", value_parser = duration)]
    pub(crate) drain: Duration,

    /// How long a watch may be silent before it is taken up again; an API server that works sends a
    /// bookmark every minute
    #[arg(
        long, value_name = "TIME", env = "JOCH_WATCH_STALL", default_value = "90s",
        value_parser = duration
    )]
    pub(crate) watch_stall: Duration,

    #[command(flatten)]
    pub(crate) lease: LeaseArgs,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How replicas share the plugins.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct LeaseArgs {
    /// Whether plugins are shared with other replicas by Leases; by default in a pod, and nowhere else
    #[arg(long, value_name = "BOOL", env = "JOCH_LEASES")]
    pub(crate) leases: Option<bool>,

    /// Namespace of the Leases; by default the pod's, or that of the kubeconfig
    #[arg(long, value_name = "NS", env = "JOCH_LEASE_NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,

    /// Within what time a replica that died is replaced
    #[arg(
        long, value_name = "TIME", env = "JOCH_LEASE_DURATION", default_value = "30s",
        value_parser = duration
    )]
    pub(crate) lease_duration: Duration,

    /// How long a replica goes on writing after it renewed its Lease last
    #[arg(
        long, value_name = "TIME", env = "JOCH_LEASE_RENEW_DEADLINE", default_value = "20s",
        value_parser = duration
    )]
    pub(crate) lease_renew_deadline: Duration,

    /// How often a replica renews its Lease
    #[arg(
        long, value_name = "TIME", env = "JOCH_LEASE_RETRY_PERIOD", default_value = "5s",
        value_parser = duration
    )]
    pub(crate) lease_retry_period: Duration,
}

impl LeaseArgs {
    /// Whether Leases are kept.
    pub(crate) fn are_on(&self) -> bool {
        self.leases.unwrap_or_else(|| std::env::var_os("KUBERNETES_SERVICE_HOST").is_some())
    }

    /// How long things take.
    ///
    /// # Errors
    /// Two replicas would not be kept apart.
    pub(crate) fn times(&self) -> Result<Times, UnsafeTimes> {
        let (duration, deadline) = (self.lease_duration, self.lease_renew_deadline);
        Times { duration, deadline, retry: self.lease_retry_period }.checked()
    }
}

/// Prints the roles that the host needs for itself and for plugins, as YAML for `kubectl apply`
///
/// They hold what the plugins' manifests request and the grants file grants, and nothing else. Print them
/// again when a plugin or the grants file changes.
#[derive(Debug, Clone, Parser)]
#[command(name = "rbac")]
pub(crate) struct RbacArgs {
    /// Plugins: files, and folders of *.wasm
    #[arg(value_name = "DIR|FILE")]
    pub(crate) plugins: Vec<PathBuf>,

    /// Grants file, as the host is given it; without it, plugins may only read
    #[arg(long, value_name = "FILE")]
    pub(crate) grants: Option<PathBuf>,

    /// Namespace that the host watches, repeatable or separated by commas; by default all
    #[arg(long = "namespace", value_name = "NS", value_delimiter = ',')]
    pub(crate) namespaces: Vec<String>,

    /// ConfigMap that a Plugin object has as its source, repeatable or separated by commas
    #[arg(long = "config-map", value_name = "NS/NAME", value_delimiter = ',')]
    pub(crate) config_maps: Vec<String>,

    /// Whether the host shares plugins with other replicas by Leases
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) leases: bool,

    /// Namespace of the Leases; by default that of the service account
    #[arg(long, value_name = "NS")]
    pub(crate) lease_namespace: Option<String>,

    /// Who is bound to the roles
    #[arg(long, value_name = "NS/NAME", default_value = "joch-system/joch-controller-manager")]
    pub(crate) service_account: String,

    /// Name of the roles and their bindings
    #[arg(long, value_name = "NAME", default_value = "joch-controller-manager")]
    pub(crate) name: String,

    /// Kubeconfig of a cluster to ask for the names of resources; by default they are guessed from the kinds
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// How the host logs.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct LogArgs {
    /// Form of log lines, on stderr
    #[arg(long, value_name = "FORM", env = "JOCH_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Least level logged (error, warn, info, debug, trace), or a filter such as "info,guest=debug"
    #[arg(long, value_name = "LEVEL", env = "JOCH_LOG", default_value = "info")]
    pub(crate) log_level: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    joch_core::quantity::Time::parse(text)
        .map(|time| time.0)
        .ok_or_else(|| format!("{text:?} is no duration (write \"200ms\", \"30s\" or \"5m\")"))
}

impl Args {
    /// The folder of compiled plugins.
    ///
    /// # Errors
    /// None is given, and the user has no home folder.
    pub(crate) fn cache_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(dir) = &self.cache_dir {
            return Ok(dir.clone());
        }
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        base.or_else(home).map(|base| base.join("joch").join("compiled")).ok_or_else(|| {
            anyhow::anyhow!("there is no home folder for compiled plugins; give --cache-dir DIR")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent_and_every_flag_has_a_variable() {
        use clap::CommandFactory as _;
        let command = Args::command();
        command.clone().debug_assert();
        let without: Vec<_> = command
            .get_arguments()
            .filter(|arg| {
                arg.get_env().is_none() && !["help", "version"].contains(&arg.get_id().as_str())
            })
            .map(|arg| arg.get_id().to_string())
            .collect();
        assert_eq!(without, Vec::<String>::new());
    }

    fn invoked(words: &[&str]) -> Result<Invocation, clap::Error> {
        let words = [&["joch-controller-manager"], words].concat();
        Invocation::read(words.into_iter().map(OsString::from).collect())
    }

    #[test]
    fn rbac_is_a_subcommand_of_its_own_and_the_host_runs_without_one() {
        Invocation::command().debug_assert();
        let Ok(Invocation::Rbac(args)) =
            invoked(&["rbac", "plugins", "a.wasm", "--namespace", "x,y"])
        else {
            panic!("no rbac")
        };
        assert_eq!(args.plugins, ["plugins", "a.wasm"].map(PathBuf::from));
        assert_eq!(args.namespaces, ["x", "y"]);
        assert!(matches!(invoked(&["--plugin-dir", "p"]), Ok(Invocation::Run(_))));
        assert!(invoked(&["--plugin-dir", "p", "rbac", "p"]).is_err(), "no mixture");
    }

    #[test]
    fn namespaces_may_be_repeated_or_separated_by_commas() {
        let args =
            Args::parse_from(["x", "--plugin-dir", "p", "--namespace", "a,b", "--namespace", "c"]);
        assert_eq!(args.namespaces, ["a", "b", "c"]);
    }

    #[test]
    fn times_of_leases_are_those_of_the_design_and_unsafe_ones_are_refused() {
        let times = |flags: &[&str]| Args::parse_from([&["x"], flags].concat()).lease.times();
        assert_eq!(times(&[]), Ok(Times::DEFAULT));
        let error = times(&["--lease-duration", "20s"]).unwrap_err().to_string();
        assert!(error.contains("20s") && error.contains("at least the deadline"), "{error}");
    }
}
