//! What is sent is verified by the library that receivers use: npm's standardwebhooks, in Node.

use std::{process::Stdio, sync::Arc};

use longshore::workers::clock::SystemClock;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::world::{Got, Receiver, World};
use crate::support::node::Node;

const VERIFY: &str = r#"
const { Webhook } = require("standardwebhooks");
let text = "";
process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
  const { secret, body, headers } = JSON.parse(text);
  try {
    const event = new Webhook(secret).verify(body, headers);
    console.log("verified " + event.type);
  } catch (error) {
    console.log("refused " + error.message);
  }
});
"#;

async fn verify(node: &Node, secret: &SecretString, got: &Got) -> String {
    let headers = json!({
        "webhook-id": got.id(),
        "webhook-timestamp": got.header("webhook-timestamp"),
        "webhook-signature": got.header("webhook-signature"),
    });
    let given = json!({ "secret": secret.expose_secret(), "body": got.body, "headers": headers }).to_string();
    let mut command = node.command();
    let mut child =
        command.arg("-e").arg(VERIFY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("node");
    child.stdin.take().expect("its input").write_all(given.as_bytes()).await.expect("an input");
    let output = child.wait_with_output().await.expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text").trim().to_owned()
}

#[tokio::test]
async fn npm_standardwebhooks_verifies_what_was_sent_with_either_of_two_secrets_and_nothing_else() {
    let Some(node) = Node::find() else { return };
    let world = World::with(|services| services.clock = Arc::new(SystemClock)).await;
    let receiver = Receiver::open().await;
    let (id, first) = world.endpoint(&receiver.url(), &["job.done"]).await;
    world.one_done().await;
    world.deliver().await;
    let second = world.rotate(id, 24).await;
    world.one_done().await;
    world.deliver().await;
    let third = world.rotate(id, 0).await;
    world.one_done().await;
    world.deliver().await;
    let got = receiver.got();

    assert_eq!(verify(&node, &first, &got[0]).await, "verified job.done");
    assert!(verify(&node, &second, &got[0]).await.starts_with("refused"), "it was not there yet");
    assert_eq!(got[1].header("webhook-signature").split(' ').count(), 2);
    for secret in [&first, &second] {
        assert_eq!(verify(&node, secret, &got[1]).await, "verified job.done", "either of two");
    }
    assert!(verify(&node, &third, &got[1]).await.starts_with("refused"));
    assert_eq!(verify(&node, &third, &got[2]).await, "verified job.done");
    for gone in [&first, &second] {
        assert!(verify(&node, gone, &got[2]).await.starts_with("refused"), "its time is over");
    }

    let mut tampered = got[2].clone();
    tampered.body = tampered.body.replace("job.done", "job.dead");
    assert!(verify(&node, &third, &tampered).await.contains("No matching signature"));
    let mut renamed = got[2].clone();
    renamed.headers.insert("webhook-id", "evt_other".parse().expect("a value"));
    assert!(verify(&node, &third, &renamed).await.contains("No matching signature"));
    let mut old = got[2].clone();
    let earlier: i64 = old.header("webhook-timestamp").parse::<i64>().expect("a moment") - 600;
    old.headers.insert("webhook-timestamp", earlier.into());
    assert!(verify(&node, &third, &old).await.contains("too old"));
}
