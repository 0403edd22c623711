//! A Redis Cluster: three masters that share the slots, and a replica of each that takes its place.

use super::{RedisOptions, RedisServer};
use crate::support::deadline::wait_until;

/// How a node is started. Others are given up soon, and the rest goes on with what it has.
pub(super) const NODE_ARGUMENTS: [&str; 6] =
    ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"];
const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

#[derive(Debug)]
pub struct RedisCluster {
    /// The masters first, then their replicas in the same order.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and waits until every node serves.
    pub fn start_new() -> Self {
        let options = RedisOptions { cluster: true, ..RedisOptions::default() };
        let nodes = (0..2 * MASTERS).map(|_| RedisServer::start_with(options.clone())).collect();
        let cluster = Self { nodes };
        for (at, master) in cluster.nodes[..MASTERS].iter().enumerate() {
            let (first, last) = (at * SLOTS / MASTERS, (at + 1) * SLOTS / MASTERS - 1);
            master.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            // Elections need epochs that differ.
            master.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        // Everybody at once: to hear of each other by gossip takes seconds.
        for (at, node) in cluster.nodes.iter().enumerate() {
            let (port, cluster_port) = (node.port.to_string(), node.cluster_port.to_string());
            for other in &cluster.nodes[at + 1..] {
                other.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &cluster_port]);
            }
        }
        cluster.await_everywhere(|info| info.contains(&format!("cluster_known_nodes:{}", 2 * MASTERS)));
        for at in 0..MASTERS {
            let master = cluster.nodes[at].command(&["CLUSTER", "MYID"]);
            let replica = &cluster.nodes[MASTERS + at];
            wait_until("a node is known to one that shall copy it", || {
                match replica.ask(&["CLUSTER", "REPLICATE", &master]).unwrap() {
                    super::Reply::Error(_) => None,
                    _ => Some(()),
                }
            });
        }
        for replica in &cluster.nodes[MASTERS..] {
            wait_until("the replica to have everything", || {
                replica.command(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
            });
        }
        cluster.await_everywhere(|info| info.contains("cluster_state:ok"));
        cluster
    }

    /// What `REDIS_URL` wants: all nodes that run.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(RedisServer::url).collect();
        urls.join(",")
    }

    pub fn masters(&self) -> &[RedisServer] {
        &self.nodes[..MASTERS]
    }

    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Moves the slot of a key or channel to another master, as resharding does.
    pub fn move_slot_of(&self, name: &str) {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", name]);
        let at = slot.trim().parse::<usize>().unwrap() * MASTERS / SLOTS;
        let (from, to) = (&self.nodes[at], &self.nodes[(at + 1) % MASTERS]);
        let [from_id, to_id] = [from, to].map(|node| node.command(&["CLUSTER", "MYID"]).trim().to_owned());
        to.command(&["CLUSTER", "SETSLOT", slot.trim(), "IMPORTING", &from_id]);
        from.command(&["CLUSTER", "SETSLOT", slot.trim(), "MIGRATING", &to_id]);
        for node in [to, from] {
            node.command(&["CLUSTER", "SETSLOT", slot.trim(), "NODE", &to_id]);
        }
    }

    /// Has each replica and its master change places, as an operator does before maintenance.
    pub fn swap_all(&self) {
        for heir in &self.nodes[MASTERS..] {
            heir.command(&["CLUSTER", "FAILOVER"]);
        }
        (0..MASTERS).for_each(|master| self.await_heir(master));
    }

    /// Kills a master, and waits until its replica has taken its place.
    pub fn fail_over(&self, master: usize) {
        self.nodes[master].kill();
        self.await_heir(master);
    }

    /// Waits until the replica of a master that died has taken its place.
    pub fn await_heir(&self, master: usize) {
        let heir = &self.nodes[MASTERS + master];
        wait_until("the replica takes its master's place", || {
            heir.command(&["INFO", "replication"]).contains("role:master").then_some(())
        });
    }

    fn await_everywhere(&self, is_so: impl Fn(&str) -> bool) {
        for node in &self.nodes {
            wait_until("the cluster's nodes to agree", || {
                is_so(&node.command(&["CLUSTER", "INFO"])).then_some(())
            });
        }
    }
}
