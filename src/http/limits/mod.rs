//! How much one user, one service and one address may ask for, and how many connections there may be. `app` makes one
//! and counts connections with it as they are accepted; [`admit`] charges every request of the REST API before its
//! body is read; the doors ask before they open.

mod admission;
mod bill;
mod client;
mod connections;
mod entry;
mod rate;
mod standing;
mod table;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use tokio::time::Instant;

pub use admission::{admit, is_free};
pub use bill::Bill;
pub use client::Customer;
pub use connections::Place;
pub use entry::Entry;

use client::Proxies;
use connections::{Full, Places};
use rate::Rate;
use standing::{Policy, Standing};
use table::Table;

use super::problem::Problem;
use crate::config::{LimitSettings, ServerSettings};
use crate::domain::Identity;
use crate::telemetry::Metrics;

const MINUTE: Duration = Duration::from_mins(1);
/// How many seconds' worth a service may publish at once.
const PUBLISH_WINDOW: Duration = Duration::from_secs(10);
/// What a token costs that is not believed, in requests: whoever guesses is slowed down first.
const FAILURE_COST: u64 = 10;
/// How often it is said in the log that connections are refused.
const COMPLAINT_EVERY: Duration = Duration::from_mins(1);
/// When a connection that found no place may be tried again.
const PLACE_RETRY: Duration = Duration::from_secs(5);

/// See the module's documentation. Clones share everything.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    proxies: Proxies,
    places: Places,
    users: Option<Table>,
    services: Option<Table>,
    /// What the users of an address send together. Apart from strangers, so that these cannot use it up.
    addresses: Option<Table>,
    /// What comes from an address without a token that is believed.
    strangers: Option<Table>,
    /// What is asked from an address about the server's state.
    operators: Option<Table>,
    handshakes: Option<Table>,
    complaints: Complaints,
    metrics: Metrics,
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
enum Sender<'a> {
    Known(&'a Identity),
    /// Whoever asks how the server is.
    Operator,
    /// Nobody said.
    Stranger,
    /// Somebody with a token that is not believed.
    Pretender,
}

impl Sender<'_> {
    /// What a request costs.
    const COST: u64 = 1;
}

impl Limits {
    pub fn new(limits: &LimitSettings, server: &ServerSettings, metrics: &Metrics) -> Self {
        let users = limits.requests_per_minute;
        let of_address = users.saturating_mul(limits.users_per_address);
        let window = PUBLISH_WINDOW.as_secs();
        let of_service = limits.publish_per_second.max(users / MINUTE.as_secs()).saturating_mul(window);
        // Whoever takes the limit of requests away takes them all away.
        let of_service = if users == 0 { 0 } else { of_service };
        let table = |kind, quota, window| {
            let rate = Rate::new(quota, window)?;
            Some(Table::new(rate, limits.tracked, metrics.rate_limit_buckets(kind)))
        };
        Self(Arc::new(Shared {
            proxies: Proxies { trusted: server.trusted_proxies.clone(), header: server.forwarded_header },
            places: Places::new(
                limits.connections,
                limits.connections_per_address,
                metrics.connections_open().clone(),
            ),
            users: table("user", users, MINUTE),
            services: table("service", of_service, PUBLISH_WINDOW),
            addresses: table("address", of_address, MINUTE),
            strangers: table("stranger", of_address, MINUTE),
            operators: table("operator", of_address, MINUTE),
            handshakes: table("handshake", limits.handshakes_per_minute, MINUTE),
            complaints: Complaints::new(),
            metrics: metrics.clone(),
        }))
    }

    /// Finds a place for a connection that was just accepted. A trusted proxy's is nobody's.
    pub fn place(&self, peer: IpAddr) -> Option<Place> {
        let Shared { proxies, places, complaints, metrics, .. } = &*self.0;
        let customer = (!proxies.is_trusted(peer)).then(|| Customer::of(peer));
        let full = match places.take(customer) {
            Ok(place) => return Some(place),
            Err(full) => full,
        };
        let (reason, setting) = match full {
            Full::All => ("connections", "limits.connections"),
            Full::Customer => ("address_connections", "limits.connections_per_address"),
        };
        metrics.refused(reason).inc();
        complaints.one_more(setting);
        None
    }

    /// Lets a connection that is to stay open come in at a door, or says why not.
    pub fn enter(&self, request: &HttpRequest) -> Result<Entry, Problem> {
        let Shared { proxies, places, handshakes, metrics, .. } = &*self.0;
        let customer = self.customer(request);
        let left = handshakes.as_ref().map(|table| table.take(customer, 1));
        if let Some(retry_after) = left.and_then(|left| left.retry_after) {
            metrics.refused("handshake_rate").inc();
            let said = "too many connections were opened from this address: try again later";
            return Err(Problem::too_many("rate_limited", said).after(retry_after));
        }
        if !proxies.is_trusted(peer(request)) {
            return Ok(Entry::new(None));
        }
        let place = places.take_for(customer).map_err(|_| {
            metrics.refused("address_connections").inc();
            let said = "too many connections from this address are open";
            Problem::too_many("too_many_connections", said).after(PLACE_RETRY)
        })?;
        Ok(Entry::new(Some(place)))
    }

    /// Notes that what came to a door with a token, or a ticket, is not believed; answers what to say to it.
    pub fn disbelieve(&self, customer: Customer, problem: Problem) -> Problem {
        if !problem.is_unauthorized() {
            return problem;
        }
        let standing = self.charge(customer, Sender::Pretender);
        standing.and_then(|standing| standing.problem()).unwrap_or(problem)
    }

    /// Charges one request; answers what is left to whoever it counts for, if there is a limit.
    fn charge(&self, customer: Customer, sender: Sender<'_>) -> Option<Standing> {
        let Shared { addresses, strangers, operators, metrics, .. } = &*self.0;
        let take = |table: Option<&Table>, policy, name: &dyn Fn(&Table) -> rate::Left| {
            table.map(|table| Standing::new(policy, *table.rate(), name(table)))
        };
        let standing = match sender {
            Sender::Known(identity) => {
                let (table, policy) = self.of_sender(identity);
                let own = take(table, policy, &|table| table.take(identity.user.as_str(), Sender::COST));
                // No address stands in a service's way.
                if identity.may_publish() || own.as_ref().is_none_or(Standing::is_refused) {
                    own
                } else {
                    let all = take(addresses.as_ref(), Policy::Address, &|table| {
                        table.take(customer, Sender::COST)
                    });
                    all.filter(Standing::is_refused).or(own)
                }
            }
            Sender::Operator => {
                take(operators.as_ref(), Policy::Address, &|table| table.take(customer, Sender::COST))
            }
            Sender::Stranger => {
                take(strangers.as_ref(), Policy::Address, &|table| table.take(customer, Sender::COST))
            }
            Sender::Pretender => {
                take(strangers.as_ref(), Policy::Address, &|table| table.take(customer, FAILURE_COST))
            }
        };
        if let Some(standing) = standing.as_ref().filter(|standing| standing.is_refused()) {
            metrics.refused(standing.label()).inc();
        }
        standing
    }

    /// Where it is kept what somebody asks for who is known.
    fn of_sender(&self, identity: &Identity) -> (Option<&Table>, Policy) {
        let Shared { users, services, .. } = &*self.0;
        if identity.may_publish() {
            (services.as_ref(), Policy::Service)
        } else {
            (users.as_ref(), Policy::User)
        }
    }

    /// Whom a request counts for that comes from this address.
    pub fn customer(&self, request: &HttpRequest) -> Customer {
        Customer::of(self.0.proxies.client(peer(request), request.headers()))
    }
}

/// Every connection has a peer; a request that a test makes up has none.
fn peer(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip())
}

/// Says in the log that connections are refused: not for each of them, of which there may be many.
#[derive(Debug)]
struct Complaints {
    beginning: Instant,
    /// When the next line is due, in milliseconds since the beginning.
    due: AtomicU64,
    refused: AtomicU64,
}

impl Complaints {
    fn new() -> Self {
        Self { beginning: Instant::now(), due: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    fn one_more(&self, setting: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.beginning.elapsed());
        let due = self.due.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(COMPLAINT_EVERY));
        let mine = self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        if now >= due && mine.is_ok() {
            let refused = self.refused.swap(0, Ordering::Relaxed);
            log::warn!(refused = refused; "connections are refused, see {setting}; proxies are to be in server.trusted_proxies");
        }
    }
}
