//! What the definition refuses, with which words, and what it accepts.

use anyhow::{Result, ensure};
use joch_tests::objects::create;
use joch_tests::suite::on_cluster;
use serde_json::{Value, json};

use super::crontask;

#[test]
fn kt_90_91_92_96_what_can_be_known_is_refused_at_once_and_says_why() -> Result<()> {
    on_cluster("crontask::rules", async |cluster| {
        let namespace = cluster.namespace("crontask-rules").await?;
        let api = joch_tests::objects::kubetask(cluster.client()?, "CronTask", &namespace);
        let refused = async |object: Value, why: &str| {
            let Err(error) = create(&api, &object).await else {
                anyhow::bail!("accepted: {object}");
            };
            ensure!(
                error.to_string().contains(why),
                "{why:?} is not said of {}: {error}",
                object["spec"]
            );
            anyhow::Ok(())
        };
        let five = "schedule must be five fields";
        for schedule in [
            "every day",
            "* * * *",
            "* * * * * *",
            "hourly",
            "@every 1h 2m",
            "TZ=UTC",
            "a b c d e f",
        ] {
            refused(crontask("bad", json!({"schedule": schedule})), five).await?;
        }
        for (spec, why) in [
            (json!({"schedule": ""}), "at least 1 char"),
            (json!({"schedule": "*".repeat(2000)}), "may not be more than 1024"),
            (json!({"timeZone": ""}), "at least 1 char"),
            (json!({"timeZone": "UTC", "schedule": "CRON_TZ=UTC 0 0 * * *"}), "exclude each other"),
            (json!({"successfulTasksHistoryLimit": -1}), "greater than or equal to 0"),
            (json!({"failedTasksHistoryLimit": -1}), "greater than or equal to 0"),
            (json!({"startingDeadlineSeconds": -1}), "greater than or equal to 0"),
            (json!({"concurrencyPolicy": "Queue"}), "Unsupported value"),
        ] {
            refused(crontask("bad", spec), why).await?;
        }
        refused(crontask(&"c".repeat(49), json!({})), "at most 48 characters").await?;

        let suspended = |schedule: &str| json!({"schedule": schedule, "suspend": true});
        for (number, schedule) in [
            "* * * * *",
            "0 9 * * MON-FRI",
            "? ? ? ? ?",
            "  5/15   */2 1,15 jan,JUL *  ",
            "1,2,,3 4 * * *",
            "@hourly",
            "@annually",
            "@every 1h30m",
            "@every -5m",
            "@every 2µs",
            "TZ=Europe/Berlin 0 9 * * *",
            "CRON_TZ=America/Argentina/Buenos_Aires   @daily",
            "TZ= 0 9 * * *",
            "TZ=Etc/GMT+3 @every 1h",
        ]
        .iter()
        .enumerate()
        {
            create(&api, &crontask(&format!("good-{number}"), suspended(schedule))).await?;
        }
        create(&api, &crontask(&"c".repeat(48), suspended("@yearly"))).await?;
        Ok(())
    })
}
