//! The signature of a delivery, by the Standard Webhooks form: HMAC-SHA256 over the id, the moment and the body.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use sha2::Sha256;

use crate::clock::Random;

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// Makes a secret of 256 bits.
pub fn new_secret(random: &dyn Random) -> SecretString {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes);
    let text = Zeroizing::new(BASE64_STANDARD.encode(bytes.as_slice()));
    SecretString::from(format!("{PREFIX}{}", *text))
}

/// The header `webhook-signature`: one signature a secret, with blanks between. A secret that is none gives none.
pub fn signatures(secrets: &[SecretString], id: &str, timestamp: i64, body: &str) -> String {
    let all: Vec<String> = secrets.iter().filter_map(|secret| signature(secret, id, timestamp, body)).collect();
    all.join(" ")
}

fn signature(secret: &SecretString, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let key = Zeroizing::new(BASE64_STANDARD.decode(secret.expose_secret().strip_prefix(PREFIX)?).ok()?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededRandom;

    #[test]
    fn the_sample_of_the_specification_is_signed_as_it_says() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let random = SeededRandom::new(1);
        let secrets = [new_secret(&random), new_secret(&random)];
        let signed = signatures(&secrets, "evt_1", 1, "{}");
        assert_eq!(signed.split(' ').filter(|one| one.starts_with("v1,") && one.len() == 47).count(), 2, "{signed}");
        assert!(secrets.iter().all(|secret| secret.expose_secret().len() == 50));
    }
}
