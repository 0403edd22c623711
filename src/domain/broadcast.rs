//! Broadcasts: one notification for everybody, or for all who hold a role, whoever they are.

use uuid::Uuid;

use super::clock::Timestamp;
use super::identity::Role;
use super::ids::UserId;
use super::notification::{Category, Content};
use super::request_id::RequestId;

/// A broadcast as it was accepted.
#[derive(Debug, Clone)]
pub struct Broadcast {
    pub id: Uuid,
    /// Who holds this role; none for everybody.
    pub role: Option<Role>,
    /// The type of what everybody gets.
    pub kind: String,
    pub category: Category,
    pub content: Content,
    /// The administrator.
    pub actor: UserId,
    /// The request that it comes of.
    pub request: Option<RequestId>,
    pub created_at: Timestamp,
}
