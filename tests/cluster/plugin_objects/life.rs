//! The definition of Plugin itself: a host works without it, and shows its plugins once it is there.

use anyhow::{Result, ensure};
use joch_tests::objects::{create, greetings};
use joch_tests::paths;
use joch_tests::plugin_objects::{plugins, until};
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;

use crate::hello::{greeting, install_kind, until_text};

#[test]
fn a_host_without_the_definition_serves_its_folder_and_shows_it_later() -> Result<()> {
    on_bare_cluster("plugin_objects::without", async |cluster| {
        install_kind(cluster).await?;
        let mut stage =
            Stage::new(cluster, "plugin_objects::without", &["hello-controller"]).await?;
        stage.options.plugin_objects = true;
        let host = stage.host().await?;
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;
        let overview = host.plugins().await?;
        ensure!(overview.controllers.len() == 1, "{overview:?}");

        cluster.apply(&paths::root().join("crds/joch.dev_plugins.yaml"), None).await?;
        let all = plugins(stage.client.clone());
        until(&all, "hello-controller", "Active", &["Ready=True/Running"]).await.map(drop)
    })
}
