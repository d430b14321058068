//! Others' word for it: Twilio's own library signs and checks webhooks, and npm's sms-segments-calculator counts segments.

use std::process::Stdio;

use longshore::workers::{
    clock::{Random as _, SeededRandom},
    messages::segments,
    vendors::twilio::{sign, verify_signature},
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::node::Node;

/// A token, an address, and a form.
type Signed = (String, String, Vec<(String, String)>);

/// Runs a script that reads JSON and prints JSON.
async fn ask(node: &Node, script: &str, given: Value) -> Value {
    let frame = format!(
        "let text = ''; process.stdin.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => {{
           const given = JSON.parse(text); console.log(JSON.stringify(({script})(given))); }});"
    );
    let mut command = node.command();
    command.arg("-e").arg(frame).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("node");
    child.stdin.take().expect("its input").write_all(given.to_string().as_bytes()).await.expect("an input");
    let output = child.wait_with_output().await.expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("an answer")
}

fn word(random: &SeededRandom, letters: &[char], most: usize) -> String {
    let length = 1 + (random.unit() * most as f64) as usize;
    (0..length).map(|_| letters[(random.unit() * letters.len() as f64) as usize]).collect()
}

#[tokio::test]
async fn twilios_own_library_signs_as_we_do_and_believes_what_we_sign() {
    let Some(node) = Node::find() else { return };
    let random = SeededRandom::new(11);
    let letters: Vec<char> = "abcXYZ019 &=+%/?#é☕😀".chars().collect();
    let plain: Vec<char> = "abcxyz019".chars().collect();
    let cases: Vec<Signed> = (0..200)
        .map(|_| {
            let url = format!(
                "https://{}.example.com/v1/{}?m={}&t=a%20b",
                word(&random, &plain, 8),
                word(&random, &plain, 5),
                word(&random, &plain, 4)
            );
            // Each name once: what comes twice is a case of its own below.
            let params = (0..5).map(|n| (format!("{}{n}", word(&random, &plain, 6)), word(&random, &letters, 20))).collect();
            (word(&random, &plain, 32), url, params)
        })
        .collect();
    let given: Vec<Value> = cases
        .iter()
        .map(|(token, url, params)| {
            let object: serde_json::Map<_, _> = params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "token": token, "url": url, "params": object, "ours": sign(&token.clone().into(), url, params) })
        })
        .collect();
    let script = "(all) => { const twilio = require('twilio'); return all.map((one) => ({
        signed: twilio.getExpectedTwilioSignature(one.token, one.url, one.params),
        believed: twilio.validateRequest(one.token, one.ours, one.url, one.params),
        forged: twilio.validateRequest(one.token + 'x', one.ours, one.url, one.params) })); }";
    let answers = ask(&node, script, json!(given)).await;
    for ((token, url, params), answer) in cases.iter().zip(answers.as_array().expect("answers")) {
        let signed = answer["signed"].as_str().expect("a signature");
        assert!(verify_signature(&token.clone().into(), url, params, signed), "{url} {params:?}");
        assert_eq!((&answer["believed"], &answer["forged"]), (&json!(true), &json!(false)), "{url} {params:?}");
    }
}

#[tokio::test]
async fn segments_are_counted_as_the_calculator_of_npm_counts_them() {
    let Some(node) = Node::find() else { return };
    let random = SeededRandom::new(12);
    let all: Vec<char> = "abc €{}[]é’😀ñ漢\n\\ç\u{a0}`~".chars().collect();
    let texts: Vec<String> = (0..3000)
        .map(|_| {
            let few: Vec<char> = (0..3).map(|_| all[(random.unit() * all.len() as f64) as usize]).collect();
            word(&random, &few, 400)
        })
        .collect();
    let script = "(texts) => { const { SegmentedMessage } = require('sms-segments-calculator');
        return texts.map((text) => { const one = new SegmentedMessage(text); return [one.encodingName, one.segmentsCount]; }); }";
    let answers = ask(&node, script, json!(texts)).await;
    for (text, answer) in texts.iter().zip(answers.as_array().expect("answers")) {
        let ours = segments::count(text);
        assert_eq!(json!([ours.encoding, ours.segments]), *answer, "{text:?}");
    }
}
