//! What each function called, against what its role allows: all of the first is in the second (the stand-in enforces it, too),
//! and nothing is in the second that was never called.

use billfold_tests::stand_in::Stack;
use serde_json::json;
use std::collections::BTreeSet;

/// What AWS calls in a function's name, or with its key, where the proxy does not see it.
const BY_AWS_ITSELF: [&str; 7] = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// What this run does not bring about: a sync that fails for good, a workspace that changes its Stripe account, a match by
/// hand, a sync that is stopped, a coupon that is deleted, a message that was lost; and what only some runs do: an event that
/// has to wait, and goes on as a new message.
const SELDOM: [(&str, &str); 8] = [
    ("sync", "sqs:ChangeMessageVisibility"),
    ("connect", "dynamodb:BatchGetItem"),
    ("connect", "dynamodb:ConditionCheckItem"),
    ("connect", "dynamodb:DeleteItem"),
    ("connect", "dynamodb:UpdateItem"),
    ("recompute", "dynamodb:UpdateItem"),
    ("recompute", "sqs:SendMessage"),
    ("sweep", "sqs:SendMessage"),
];

pub fn check(stack: &Stack) {
    let mut wrong = Vec::new();
    for (function, called) in stack.calls().unwrap() {
        let allowed = allowed(stack, &function);
        wrong.extend(called.difference(&allowed).map(|action| format!("{function} calls {action}, and may not")));
        let seldom = |action: &String| SELDOM.contains(&(function.as_str(), action.as_str()));
        let idle =
            allowed.difference(&called).filter(|action| !BY_AWS_ITSELF.contains(&action.as_str()) && !seldom(action));
        wrong.extend(idle.map(|action| format!("{function} may {action}, and never does")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The actions of a function's role, as it was deployed.
fn allowed(stack: &Stack, function: &str) -> BTreeSet<String> {
    let name = stack.function_name(function).unwrap();
    let found = stack.call("lambda", "get_function_configuration", &json!({ "FunctionName": name })).unwrap();
    let role = found["Role"].as_str().unwrap().rsplit('/').next().unwrap();
    let policy = json!({ "RoleName": role, "PolicyName": function });
    let policy = stack.call("iam", "get_role_policy", &policy).unwrap();
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    let actions = actions.map(|action| action.as_str().unwrap().to_owned());
    // The stand-in's own; in AWS it is the same as sending one.
    actions.filter(|action| action != "sqs:SendMessageBatch").collect()
}
