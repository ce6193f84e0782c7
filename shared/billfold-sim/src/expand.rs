//! What a request asked to be expanded: which paths there are, how deep they may go, and which
//! permission each needs. It expands nothing itself; renderers ask it.

use crate::errors::StripeError;

/// The wanted expansions as a tree of property names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    children: Vec<(String, Expand)>,
}

/// No expansion at all.
pub static NOTHING: Expand = Expand { children: Vec::new() };

const DEEPEST: usize = 4;

impl Expand {
    /// Reads `expand[]` of a request whose answer is a `root`.
    pub fn parse(paths: &[&str], root: Node) -> Result<Self, StripeError> {
        let mut tree = Self::default();
        for path in paths {
            let depth = path.split('.').count();
            if depth > DEEPEST {
                return Err(StripeError::expansion_too_deep(path));
            }
            check(path, root)?;
            tree.insert(path);
        }
        Ok(tree)
    }

    /// The permissions, beyond the endpoint's own, that the wanted paths need.
    pub fn permissions(paths: &[&str], root: Node) -> Vec<&'static str> {
        let mut needed = Vec::new();
        for path in paths {
            let mut node = root;
            for name in path.split('.') {
                let Some(step) = step(node, name) else { break };
                needed.extend(step.permission);
                node = step.node;
            }
        }
        needed
    }

    pub fn get(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(own, _)| own == name).map(|(_, child)| child)
    }

    /// The expansions below a property, or none.
    pub fn below(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(&NOTHING)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn insert(&mut self, path: &str) {
        let mut tree = self;
        for name in path.split('.') {
            let at = match tree.children.iter().position(|(own, _)| own == name) {
                Some(at) => at,
                None => {
                    tree.children.push((name.to_owned(), Self::default()));
                    tree.children.len() - 1
                }
            };
            tree = &mut tree.children[at].1;
        }
    }
}

/// A place in the answer from which properties can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    List(Object),
    One(Object),
    /// A hash inside an object, not expandable itself.
    Inside(Hash),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Product,
    Price,
    Coupon,
    Discount,
    Customer,
    Subscription,
    Item,
    Invoice,
    Line,
    InvoicePayment,
    Charge,
    Refund,
    Dispute,
    CreditNote,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    DiscountSource,
    InvoiceParent,
    SubscriptionDetails,
    LinePricing,
    PriceDetails,
    Payment,
}

struct Step {
    node: Node,
    /// Whether the property itself can be expanded or is only passed through.
    expandable: bool,
    permission: Option<&'static str>,
}

fn check(path: &str, root: Node) -> Result<(), StripeError> {
    let mut node = root;
    let mut expandable = false;
    for name in path.split('.') {
        let step = step(node, name).ok_or_else(|| StripeError::not_expandable(path))?;
        node = step.node;
        expandable = step.expandable;
    }
    if expandable { Ok(()) } else { Err(StripeError::not_expandable(path)) }
}

fn through(node: Node) -> Option<Step> {
    Some(Step { node, expandable: false, permission: None })
}

fn leaf() -> Option<Step> {
    Some(Step { node: Node::End, expandable: true, permission: None })
}

fn object(object: Object, permission: &'static str) -> Option<Step> {
    Some(Step { node: Node::One(object), expandable: true, permission: Some(permission) })
}

fn step(node: Node, name: &str) -> Option<Step> {
    match node {
        Node::List(of) if name == "data" => through(Node::One(of)),
        Node::List(_) | Node::End => None,
        Node::One(of) => property(of, name),
        Node::Inside(hash) => inside(hash, name),
    }
}

fn property(of: Object, name: &str) -> Option<Step> {
    match (of, name) {
        (_, "customer") if of != Object::Customer => object(Object::Customer, "customer"),
        (Object::Product, "default_price") => object(Object::Price, "plan"),
        (Object::Price, "product") => object(Object::Product, "product"),
        (Object::Price, "tiers" | "currency_options") | (Object::Coupon, "applies_to" | "currency_options") => leaf(),
        (Object::Customer, "sources" | "tax_ids" | "tax" | "default_source" | "test_clock")
        | (
            Object::Subscription | Object::Invoice,
            "default_payment_method" | "default_source" | "test_clock" | "application",
        )
        | (Object::Subscription, "schedule" | "pending_setup_intent") => leaf(),
        (Object::Customer, "subscriptions") => list(Object::Subscription, "subscription"),
        (Object::Customer | Object::Subscription | Object::Invoice, "discount")
        | (Object::Subscription | Object::Item | Object::Invoice | Object::Line, "discounts") => {
            Some(Step { node: Node::One(Object::Discount), expandable: true, permission: None })
        }
        (Object::Discount, "source") => through(Node::Inside(Hash::DiscountSource)),
        (Object::Discount, "coupon") => object(Object::Coupon, "coupon"),
        (Object::Discount, "promotion_code") => leaf(),
        (Object::Subscription, "items") => through(Node::List(Object::Item)),
        (Object::Subscription, "latest_invoice")
        | (Object::InvoicePayment | Object::CreditNote | Object::Charge, "invoice") => {
            object(Object::Invoice, "invoice")
        }
        (Object::Item | Object::Line, "price") => through(Node::One(Object::Price)),
        (Object::Invoice, "lines") => through(Node::List(Object::Line)),
        (Object::Invoice, "payments") => list(Object::InvoicePayment, "invoice"),
        (Object::Invoice, "parent") => through(Node::Inside(Hash::InvoiceParent)),
        (Object::Invoice | Object::Line, "subscription") => object(Object::Subscription, "subscription"),
        (Object::Invoice | Object::Refund | Object::Dispute, "charge") => object(Object::Charge, "charge"),
        (Object::Line, "pricing") => through(Node::Inside(Hash::LinePricing)),
        (Object::InvoicePayment, "payment") => through(Node::Inside(Hash::Payment)),
        (Object::Charge, "refunds") => list(Object::Refund, "charge"),
        _ => None,
    }
}

fn list(of: Object, permission: &'static str) -> Option<Step> {
    Some(Step { node: Node::List(of), expandable: true, permission: Some(permission) })
}

fn inside(hash: Hash, name: &str) -> Option<Step> {
    match (hash, name) {
        (Hash::DiscountSource, "coupon") => object(Object::Coupon, "coupon"),
        (Hash::InvoiceParent, "subscription_details") => through(Node::Inside(Hash::SubscriptionDetails)),
        (Hash::SubscriptionDetails, "subscription") => object(Object::Subscription, "subscription"),
        (Hash::LinePricing, "price_details") => through(Node::Inside(Hash::PriceDetails)),
        (Hash::PriceDetails, "price") => object(Object::Price, "plan"),
        (Hash::Payment, "charge") => object(Object::Charge, "charge"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Expand, Node, Object};

    const SUBSCRIPTIONS: Node = Node::List(Object::Subscription);

    fn refusal(path: &str, root: Node) -> String {
        match Expand::parse(&[path], root) {
            Ok(_) => panic!("{path} was accepted"),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn paths_become_a_tree() {
        let paths = ["data.discounts.source.coupon", "data.discounts", "data.customer"];
        let tree = Expand::parse(&paths, SUBSCRIPTIONS).expect("good paths");
        let data = tree.below("data");
        assert!(data.has("customer"));
        assert!(data.below("discounts").below("source").has("coupon"));
        assert!(!data.has("latest_invoice"));
    }

    #[test]
    fn more_than_four_levels_are_refused() {
        let message = refusal("data.items.data.price.product", SUBSCRIPTIONS);
        assert!(message.contains("more than 4 levels"), "{message}");
    }

    #[test]
    fn what_cannot_be_expanded_is_refused() {
        for path in ["data.items", "data.status", "customer", "data.discounts.source", "data."] {
            let message = refusal(path, SUBSCRIPTIONS);
            assert!(message.contains("cannot be expanded"), "{path}: {message}");
        }
    }

    #[test]
    fn each_expanded_object_needs_its_permission() {
        let cases = [
            ("data.discounts.source.coupon", vec!["coupon"]),
            ("data.latest_invoice", vec!["invoice"]),
            ("data.latest_invoice.customer", vec!["invoice", "customer"]),
            ("data.items.data.discounts", vec![]),
        ];
        for (path, needed) in cases {
            assert_eq!(Expand::permissions(&[path], SUBSCRIPTIONS), needed, "{path}");
        }
    }
}
