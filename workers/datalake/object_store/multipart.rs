//! Sends a large file to S3 in parts: each with its SHA-256, all of them under one condition at the end.

use std::{io, path::Path};

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream::FuturesOrdered};
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncReadExt as _};

use super::{
    Created,
    s3::{Failed, S3Store},
};

/// A part is this large, or larger where there would be too many: S3 takes 10,000.
const PART: u64 = 8 * 1024 * 1024;
const MOST_PARTS: u64 = 9_000;
/// Parts under way at once; so many lie in memory.
const AT_ONCE: usize = 3;

/// Creates `key` unless it is there already. On a conflict the whole upload has to be done again: S3 says so.
pub(super) async fn create(store: &S3Store, key: &str, file: &Path, size: u64, sha256: [u8; 32]) -> Result<Created, Failed> {
    // Sparing: the condition is checked only when all parts are up.
    match store.client.head_object().bucket(&store.bucket).key(key).send().await.map_err(|e| Failed::of(key, &e)) {
        Ok(_) => return Err(Failed::Exists),
        Err(Failed::Missing) => {}
        Err(failed) => return Err(failed),
    }
    let begin = store.client.create_multipart_upload().bucket(&store.bucket).key(key);
    let begun = begin.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.map_err(|e| Failed::of(key, &e))?;
    let upload = begun.upload_id().ok_or_else(|| Failed::Unavailable(format!("{key}: the upload got no id")))?;

    let ended = match send_parts(store, key, upload, file, size, sha256).await {
        Ok(parts) => complete(store, key, upload, parts).await,
        Err(failed) => Err(failed),
    };
    if ended.is_err() {
        // Parts that can't be removed now fall to the bucket's own rule for unfinished uploads.
        let _ = store.client.abort_multipart_upload().bucket(&store.bucket).key(key).upload_id(upload).send().await;
    }
    ended
}

async fn complete(store: &S3Store, key: &str, upload: &str, parts: Vec<CompletedPart>) -> Result<Created, Failed> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = store.client.complete_multipart_upload().bucket(&store.bucket).key(key).upload_id(upload);
    complete.multipart_upload(parts).if_none_match("*").send().await.map_err(|e| Failed::of(key, &e))?;
    Ok(Created::New)
}

/// Reads, hashes and sends the parts in order, a few under way at once; refuses a file that is not what it was said to be.
async fn send_parts(
    store: &S3Store,
    key: &str,
    upload: &str,
    file: &Path,
    size: u64,
    sha256: [u8; 32],
) -> Result<Vec<CompletedPart>, Failed> {
    let length = PART.max(size.div_ceil(MOST_PARTS));
    let mut source = File::open(file).await.map_err(|error| Failed::local(file, &error))?;
    let mut whole = Sha256::new();
    let mut under_way = FuturesOrdered::new();
    let mut sent = Vec::new();
    for number in 1.. {
        let bytes = read_part(&mut source, length).await.map_err(|error| Failed::local(file, &error))?;
        if bytes.is_empty() {
            break;
        }
        whole.update(&bytes);
        under_way.push_back(send_part(store, key, upload, number, bytes));
        if under_way.len() == AT_ONCE {
            sent.extend(under_way.try_next().await?);
        }
    }
    while let Some(part) = under_way.try_next().await? {
        sent.push(part);
    }
    if whole.finalize() == sha256 { Ok(sent) } else { Err(Failed::Corrupt("the file changed while it was stored".into())) }
}

async fn read_part(source: &mut File, length: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

async fn send_part(store: &S3Store, key: &str, upload: &str, number: i32, bytes: Bytes) -> Result<CompletedPart, Failed> {
    let checksum = BASE64_STANDARD.encode(Sha256::digest(&bytes));
    let part = store.client.upload_part().bucket(&store.bucket).key(key).upload_id(upload).part_number(number);
    let sent = part.body(ByteStream::from(bytes)).checksum_sha256(&checksum).send().await.map_err(|e| Failed::of(key, &e))?;
    let done = CompletedPart::builder().part_number(number).checksum_sha256(checksum);
    Ok(done.set_e_tag(sent.e_tag().map(str::to_owned)).build())
}
