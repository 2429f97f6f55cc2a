//! One fault, begun and ended.

use super::node::Node;
use super::now_us;
use super::provider::{stormy, usual};
use super::world::World;
use crate::Result;
use crate::fault::Kind;
use crate::judge::takeover::Struck;
use crate::schedule::Step;
use crate::settings::PROCESSES;
use sluice_engines::Proxy;
use std::time::Duration;
use tokio::task::block_in_place;

/// Begins a fault. None: the process it is meant for does not run.
///
/// # Errors
/// An engine or a process does not do what it should.
pub async fn begin(world: &mut World, step: &Step) -> Result<Option<Struck>> {
    let slot = if step.kind == Kind::Add { PROCESSES } else { step.slot };
    let at_us = now_us();
    match step.kind {
        Kind::Kill => {
            world.gateways.remove(world.port(slot));
            let Some(node) = world.nodes[slot].take() else { return Ok(None) };
            block_in_place(|| node.kill());
        }
        Kind::Freeze => {
            world.gateways.remove(world.port(slot));
            let Some(node) = &world.nodes[slot] else { return Ok(None) };
            node.freeze();
        }
        Kind::Terminate => {
            if !terminate(world, slot) {
                return Ok(None);
            }
        }
        Kind::Add => world.start_node(slot),
        Kind::BrokerKill => world.engines.kafka.kill(0)?,
        Kind::BrokerPause => world.engines.kafka.freeze(0)?,
        Kind::StoreKill => block_in_place(|| world.engines.cassandra.kill()),
        Kind::StorePause => world.engines.cassandra.freeze()?,
        Kind::LogCut | Kind::StoreCut => on_proxy(world, step, Proxy::cut),
        Kind::LogHang | Kind::StoreHang => on_proxy(world, step, Proxy::hang),
        Kind::LogDelay | Kind::StoreDelay => {
            let later = Duration::from_millis(20 + step.lasts_ms % 300);
            on_proxy(world, step, |proxy| proxy.delay(later));
        }
        Kind::Webhooks => world.providers.set(&stormy()).await?,
    }
    Ok(Some(Struck { kind: step.kind, slot, at_us, over_us: u64::MAX, note: step.to_string() }))
}

/// Ends it, and notes when it was over.
///
/// # Errors
/// As [`begin`].
pub async fn end(world: &mut World, step: &Step, struck: &mut Struck) -> Result<()> {
    match step.kind {
        Kind::Kill => {
            // From now on its calls may be those of its next life.
            struck.over_us = now_us();
            world.start_node(struck.slot);
            return Ok(());
        }
        Kind::Freeze => {
            struck.over_us = now_us();
            world.nodes[struck.slot].iter().for_each(Node::thaw);
            if world.nodes[struck.slot].as_ref().is_some_and(Node::is_up) {
                world.gateways.add(world.port(struck.slot));
            }
            return Ok(());
        }
        Kind::Terminate => world.start_node(struck.slot),
        Kind::Add => drop(terminate(world, struck.slot)),
        Kind::BrokerKill => block_in_place(|| world.engines.kafka.restart(0))?,
        Kind::BrokerPause => world.engines.kafka.thaw(0)?,
        Kind::StoreKill => block_in_place(|| world.engines.cassandra.restart())?,
        Kind::StorePause => world.engines.cassandra.thaw()?,
        Kind::LogCut
        | Kind::LogHang
        | Kind::LogDelay
        | Kind::StoreCut
        | Kind::StoreHang
        | Kind::StoreDelay => on_proxy(world, step, Proxy::heal),
        Kind::Webhooks => world.providers.set(&usual()).await?,
    }
    struck.over_us = now_us();
    Ok(())
}

/// False: there is no such process now.
fn terminate(world: &mut World, slot: usize) -> bool {
    world.gateways.remove(world.port(slot));
    let Some(node) = world.nodes[slot].take() else { return false };
    if let Some(wrong) = block_in_place(|| node.terminate()) {
        world.problem(format!("process {slot}: {wrong}"));
    }
    true
}

/// The way to the broker is everybody's, the way to the database is the process's own.
fn on_proxy(world: &World, step: &Step, change: impl Fn(&Proxy)) {
    let proxy = match step.kind {
        Kind::LogCut | Kind::LogHang | Kind::LogDelay => world.engines.log_proxy(),
        _ => world.engines.store_proxies.get(step.slot),
    };
    if let Some(proxy) = proxy {
        block_in_place(|| change(proxy));
    }
}
