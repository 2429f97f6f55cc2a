//! People who want no messages.

use super::codec::json;
use super::keys;
use super::tables::{Access, storage};
use sluice_runtime::ports::store::StoreResult;
use sluice_schemas::Channel;

pub(crate) async fn suppress(
    access: &Access,
    tenant: &str,
    channel: Channel,
    addresses: Vec<(String, String)>,
) -> StoreResult<()> {
    let prefix = keys::suppressions(tenant, channel);
    let rows = addresses
        .into_iter()
        .map(|(address, reason)| Ok(([&prefix, address.as_bytes()].concat(), json("suppression", &reason)?)))
        .collect::<StoreResult<Vec<_>>>()?;
    let suppressed = access.write(move |tx, tables| {
        rows.into_iter().for_each(|(key, row)| tx.insert(&tables.suppressions, key, row));
        Ok(())
    });
    suppressed.await
}

pub(crate) fn suppressed(
    access: &Access,
    tenant: &str,
    channel: Channel,
    addresses: &[&str],
) -> StoreResult<Vec<bool>> {
    let prefix = keys::suppressions(tenant, channel);
    let table = &access.tables.suppressions;
    let snapshot = access.engine.snapshot();
    // Most tenants suppress nobody: one look instead of one an address.
    if snapshot.prefix(table, &prefix).next().transpose().map_err(storage)?.is_none() {
        return Ok(vec![false; addresses.len()]);
    }
    let mut key = prefix.clone();
    let mut found = Vec::with_capacity(addresses.len());
    for address in addresses {
        key.truncate(prefix.len());
        key.extend_from_slice(address.as_bytes());
        found.push(snapshot.get(table, &key).map_err(storage)?.is_some());
    }
    Ok(found)
}
