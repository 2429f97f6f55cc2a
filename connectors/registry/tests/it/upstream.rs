//! Launches of an upstream system in Python: A1.

use crate::place::{framing, prefix, registry_url};
use bytes::Bytes;
use sluice_log::kafka::Framing;
use sluice_runtime::ports::log::Topic;
use sluice_schemas::{CampaignLaunch, Framed, Record, decode};
use std::path::PathBuf;

pub(crate) fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// Our schema of a launch.
pub(crate) fn schema() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/avro/campaign_launch.v1.avsc")
}

/// The value that the script would produce.
async fn value_of(name: &str, arguments: &[&str]) -> Bytes {
    let (name, arguments): (_, Vec<String>) =
        (example(name), arguments.iter().map(|&a| a.to_owned()).collect());
    let output = tokio::task::spawn_blocking(move || {
        let mut script = sluice_upstream::script("launch.py");
        script.arg(name).args(arguments).arg("--print-hex").output().unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hex = String::from_utf8(output.stdout).unwrap();
    let digits: Vec<u8> = hex.trim().bytes().collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn expected(name: &str) -> CampaignLaunch {
    let mut launch: CampaignLaunch =
        serde_json::from_str(&std::fs::read_to_string(example(name)).unwrap()).unwrap();
    let path = launch.audience.path.as_mut().unwrap();
    *path = example(path).canonicalize().unwrap().to_str().unwrap().to_owned();
    normalised(launch)
}

/// Two programs write the same JSON document with other spaces and another order.
fn normalised(mut launch: CampaignLaunch) -> CampaignLaunch {
    let same = |text: &mut String| {
        *text = serde_json::from_str::<serde_json::Value>(text).unwrap().to_string();
    };
    launch.message.http.iter_mut().for_each(|http| same(&mut http.body));
    launch.message.template.iter_mut().for_each(|template| same(&mut template.components));
    launch
}

pub(crate) fn read(value: &[u8]) -> CampaignLaunch {
    normalised(decode(value).unwrap())
}

#[tokio::test]
async fn a1_a_launch_of_python_in_single_object_encoding_is_read() {
    for name in ["http.json", "whatsapp.json", "messenger.json", "ndjson.json"] {
        let value = value_of(name, &[]).await;
        assert!(matches!(Framed::of(&value), Framed::SingleObject { .. }));
        assert_eq!(read(&value), expected(name), "{name}");
    }
}

#[tokio::test]
async fn a1_a_launch_of_python_in_the_registrys_framing_is_read() {
    let prefix = prefix();
    let value = value_of("whatsapp.json", &["--prefix", &prefix, "--registry", &registry_url()]).await;
    assert!(matches!(Framed::of(&value), Framed::Registry { .. }));
    let framing = framing(&prefix).await;
    let value = framing.resolve(Topic::Launches, value).await;
    assert_eq!(read(&value), expected("whatsapp.json"));
}

#[tokio::test]
async fn a1_a_launch_of_python_with_a_schema_of_its_own_is_read() {
    let mut schema: serde_json::Value =
        serde_json::from_str(CampaignLaunch::versions().texts().last().unwrap().0).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    // Without a defaulted field, in another order, with one of its own.
    fields.retain(|field| field["name"] != "on_unknown");
    fields.reverse();
    fields.push(serde_json::json!({"name": "owner", "type": "string", "default": "growth"}));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), schema.to_string()).unwrap();
    let (prefix, path) = (prefix(), file.path().to_str().unwrap());
    let framing = framing(&prefix).await;
    let value =
        value_of("http.json", &["--prefix", &prefix, "--registry", &registry_url(), "--schema", path]).await;
    let value = framing.resolve(Topic::Launches, value).await;
    assert_eq!(read(&value), expected("http.json"));
}
