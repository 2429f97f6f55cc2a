//! People who want no messages, in buckets by the hash of their address.

use super::access::{Access, all};
use sluice_runtime::ports::store::StoreResult;
use sluice_schemas::Channel;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// Partitions of one tenant and channel.
const BUCKETS: u64 = 64;

/// Holds one row where the tenant suppresses anybody at all.
const MARKER: i32 = -1;

/// Addresses asked for in one statement. ScyllaDB refuses more than 100 values of a clustering column.
const ADDRESSES_PER_READ: usize = 64;

fn bucket(address: &str) -> i32 {
    (xxh3_64(address.as_bytes()) % BUCKETS) as i32
}

/// Stored; never given another meaning.
fn code(channel: Channel) -> i32 {
    i32::from(crate::embedded::keys::channel_code(channel))
}

pub(crate) async fn suppress(
    access: &Access,
    tenant: &str,
    channel: Channel,
    addresses: Vec<(String, String)>,
) -> StoreResult<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let statement = &access.statements.suppress;
    // First: whoever sees an address must not be stopped by a missing marker.
    access.write(statement, (tenant, code(channel), MARKER, "", "")).await?;
    let writes = addresses.into_iter().map(|(address, reason)| async move {
        access.write(statement, (tenant, code(channel), bucket(&address), address, reason)).await
    });
    all(access.reads, writes).await.map(drop)
}

pub(crate) async fn suppressed(
    access: &Access,
    tenant: &str,
    channel: Channel,
    addresses: &[&str],
) -> StoreResult<Vec<bool>> {
    let statement = &access.statements.suppressed;
    let code = code(channel);
    let look = |bucket: i32, some: Vec<String>| async move {
        access.read_all::<(String,)>(statement, (tenant, code, bucket, some)).await
    };
    // Most tenants suppress nobody: one look instead of one a bucket.
    if addresses.is_empty() || look(MARKER, vec![String::new()]).await?.is_empty() {
        return Ok(vec![false; addresses.len()]);
    }
    let mut buckets: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
    for address in addresses {
        buckets.entry(bucket(address)).or_default().insert(address);
    }
    let mut looks = Vec::new();
    for (bucket, some) in buckets {
        let some: Vec<String> = some.into_iter().map(str::to_owned).collect();
        looks.extend(some.chunks(ADDRESSES_PER_READ).map(|part| look(bucket, part.to_vec())));
    }
    let found: BTreeSet<String> =
        all(access.reads, looks).await?.into_iter().flatten().map(|(address,)| address).collect();
    Ok(addresses.iter().map(|address| found.contains(*address)).collect())
}
