#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Default)] pub struct Catalogue;
impl Catalogue { pub fn from_facts(_: Vec<crate::facts::Fact>) -> Self { Self } }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)] pub struct Policy;
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)] pub struct PolicyPatch;
impl PolicyPatch { pub fn apply(&self, p: Policy) -> Policy { p } }
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)] #[serde(rename_all="snake_case")] pub enum Preset { #[default] Billfold }
impl Preset { pub fn policy(self) -> Policy { Policy } }
