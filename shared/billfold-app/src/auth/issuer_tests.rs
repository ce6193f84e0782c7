//! An identity provider on a socket of this machine, and everything that somebody could try.

use super::*;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const NOW: i64 = 1_790_000_000;
const ISSUER: &str = "https://id.example/";
const AUDIENCE: &str = "billfold";

/// What the provider answers, and how often it was asked.
#[derive(Default)]
struct Provider {
    keys: Vec<Value>,
    down: bool,
    asked: usize,
}

struct World {
    provider: Arc<Mutex<Provider>>,
    tokens: Tokens,
}

/// A key pair of the provider's.
struct Pair {
    id: &'static str,
    signing: EncodingKey,
    public: Value,
}

async fn answer(State(provider): State<Arc<Mutex<Provider>>>) -> (StatusCode, String) {
    let mut provider = provider.lock().unwrap();
    provider.asked += 1;
    let status = if provider.down { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    (status, json!({ "keys": provider.keys }).to_string())
}

fn ec(id: &'static str) -> Pair {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let [x, y] = [x, y].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let public = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y});
    Pair { id, signing: EncodingKey::from_ec_der(der.as_ref()), public }
}

impl World {
    async fn start(keys: &[&Pair]) -> Self {
        let provider = Arc::new(Mutex::new(Provider::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = Some(format!("http://{}/jwks", listener.local_addr().unwrap()));
        let router = axum::Router::new().route("/jwks", axum::routing::get(answer)).with_state(Arc::clone(&provider));
        tokio::spawn(axum::serve(listener, router).into_future());
        let tokens = Tokens::of_issuer(IssuerConfig {
            jwks_url,
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            workspace_claim: "org".into(),
            role_claim: "https://id.example/roles".into(),
            cognito: false,
        });
        let world = Self { provider, tokens: tokens.unwrap() };
        world.publish(keys);
        world
    }

    fn publish(&self, keys: &[&Pair]) {
        self.provider.lock().unwrap().keys = keys.iter().map(|pair| pair.public.clone()).collect();
    }

    fn set_down(&self, down: bool) {
        self.provider.lock().unwrap().down = down;
    }

    fn asked(&self) -> usize {
        self.provider.lock().unwrap().asked
    }

    async fn verify(&self, token: &str, second: i64) -> Result<Caller, AuthError> {
        self.tokens.verify(Some(&format!("Bearer {token}")), Timestamp::from_second(second).unwrap()).await
    }

    async fn refuses(&self, token: &str, why: &str) {
        assert_eq!(self.verify(token, NOW).await, Err(AuthError::Unauthenticated), "{why}");
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": NOW + 600, "nbf": NOW - 5,
        "org": "acme", "https://id.example/roles": ["staff", "admin"],
    })
}

fn with(more: Value) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn signed(pair: &Pair, claims: &Value) -> String {
    encode(&Header { kid: Some(pair.id.into()), ..Header::new(Algorithm::ES256) }, claims, &pair.signing).unwrap()
}

#[tokio::test]
async fn a_good_token_names_whom_the_provider_names() {
    let key = ec("a");
    let world = World::start(&[&key]).await;
    let caller = world.verify(&signed(&key, &claims()), NOW).await.unwrap();
    assert_eq!((caller.workspace.as_str(), caller.role, caller.subject.as_str()), ("acme", Role::Admin, "ann"));
    let several = with(json!({"aud": ["other", AUDIENCE], "https://id.example/roles": "owner"}));
    assert_eq!(world.verify(&signed(&key, &several), NOW).await.unwrap().role, Role::Owner);
    let unnamed = encode(&Header::new(Algorithm::ES256), &claims(), &key.signing).unwrap();
    assert!(world.verify(&unnamed, NOW).await.is_ok(), "one key leaves no choice");
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let key = ec("a");
    let world = World::start(&[&key]).await;
    for wrong in [
        json!({"iss": "https://evil.example/"}),
        json!({"aud": "another"}),
        json!({"aud": []}),
        json!({"exp": NOW - 31}),
        json!({"exp": "tomorrow"}),
        json!({"nbf": NOW + 31}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"org": ""}),
        json!({"org": "a#b"}),
        json!({"org": ["acme"]}),
        json!({"https://id.example/roles": "root"}),
        json!({"https://id.example/roles": []}),
    ] {
        world.refuses(&signed(&key, &with(wrong.clone())), &wrong.to_string()).await;
    }
    for missing in ["iss", "aud", "sub", "exp", "org", "https://id.example/roles"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        world.refuses(&signed(&key, &claims), missing).await;
    }
    assert!(world.verify(&signed(&key, &claims()), NOW).await.is_ok());
}

#[tokio::test]
async fn another_signature_is_refused_whatever_it_says_of_itself() {
    let (key, forger) = (ec("a"), ec("a"));
    let world = World::start(&[&key]).await;
    world.refuses(&signed(&forger, &claims()), "another key under the same name").await;
    let token = signed(&key, &claims());
    let [header, body, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let owner = BASE64_URL_SAFE_NO_PAD.encode(with(json!({"https://id.example/roles": "owner"})).to_string());
    world.refuses(&format!("{header}.{owner}.{signature}"), "another body").await;
    let headers = [
        json!({"alg": "none"}),
        json!({"alg": "None", "kid": "a"}),
        json!({"alg": "ES256", "kid": "a", "crit": ["b64"]}),
    ];
    for odd in headers {
        let odd = BASE64_URL_SAFE_NO_PAD.encode(odd.to_string());
        world.refuses(&format!("{odd}.{body}."), "unsigned").await;
        world.refuses(&format!("{odd}.{body}.{signature}"), "another header").await;
    }
    for nonsense in ["", ".", "..", "a.b.c", "\u{1F600}", &"x".repeat(20_000)] {
        world.refuses(nonsense, nonsense).await;
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let lines = base64::prelude::BASE64_STANDARD.encode(der);
    format!("-----BEGIN {what} KEY-----\n{lines}\n-----END {what} KEY-----\n")
}

/// The oldest trick: the public key, which everybody has, as the secret of a symmetric signature.
#[tokio::test]
async fn the_public_key_is_not_a_secret() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let components: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(pair.public_key());
    let [n, e] = [&components.n, &components.e].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let public = json!({"kty": "RSA", "kid": "r", "n": n, "e": e});
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let rsa = Pair {
        id: "r",
        signing: EncodingKey::from_rsa_pem(pem("PRIVATE", private.as_ref()).as_bytes()).unwrap(),
        public,
    };
    let world = World::start(&[&rsa]).await;
    let header = |algorithm| Header { kid: Some("r".into()), ..Header::new(algorithm) };
    for algorithm in [Algorithm::RS256, Algorithm::PS512] {
        let token = encode(&header(algorithm), &claims(), &rsa.signing).unwrap();
        assert!(world.verify(&token, NOW).await.is_ok(), "{algorithm:?}");
    }
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem = pem("PUBLIC", spki.as_ref());
    for secret in [pem.as_bytes(), spki.as_ref(), n.as_bytes(), components.n.as_slice()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let forged = encode(&header(algorithm), &claims(), &EncodingKey::from_secret(secret)).unwrap();
            world.refuses(&forged, "symmetric").await;
        }
    }
}

#[tokio::test]
async fn a_secret_in_the_set_is_not_there() {
    let (key, secret) = (ec("a"), b"a secret that should not have been published");
    let public = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": BASE64_URL_SAFE_NO_PAD.encode(secret)});
    let shared = Pair { id: "s", signing: EncodingKey::from_secret(secret), public };
    let world = World::start(&[&key, &shared]).await;
    let header = Header { kid: Some("s".into()), ..Header::new(Algorithm::HS256) };
    world.refuses(&encode(&header, &claims(), &shared.signing).unwrap(), "symmetric").await;
}

#[tokio::test]
async fn keys_change_and_a_flood_of_unknown_keys_costs_few_fetches() {
    let (old, new) = (ec("old"), ec("new"));
    let world = World::start(&[&old]).await;
    assert!(world.verify(&signed(&old, &claims()), NOW).await.is_ok());
    world.publish(&[&new]);
    assert!(world.verify(&signed(&new, &claims()), NOW + 1).await.is_err(), "fetched a second ago");
    let soon = NOW + FETCHES_APART.as_secs();
    assert!(world.verify(&signed(&new, &claims()), soon).await.is_ok(), "an unknown key is looked for");
    assert_eq!(world.verify(&signed(&old, &claims()), soon).await, Err(AuthError::Unauthenticated), "it was withdrawn");
    assert_eq!(world.asked(), 2);
    let stranger = ec("stranger");
    let flood = (0..200).map(|n| {
        let header = Header { kid: Some(format!("k{n}")), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims(), &stranger.signing).unwrap()
    });
    let flood: Vec<String> = flood.collect();
    let later = soon + FETCHES_APART.as_secs();
    let answers = futures::future::join_all(flood.iter().map(|token| world.verify(token, later))).await;
    assert!(answers.iter().all(|answer| *answer == Err(AuthError::Unauthenticated)));
    assert_eq!(world.asked(), 3);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_believed_for_a_while_and_then_no_more() {
    let key = ec("a");
    let world = World::start(&[&key]).await;
    world.set_down(true);
    let token = signed(&key, &with(json!({"exp": NOW + 100_000})));
    assert_eq!(world.verify(&token, NOW).await, Err(AuthError::KeysUnavailable), "never fetched");
    world.set_down(false);
    assert_eq!(world.verify(&token, NOW + 1).await, Err(AuthError::KeysUnavailable), "tried a second ago");
    let fetched = NOW + FETCHES_APART.as_secs();
    assert!(world.verify(&token, fetched).await.is_ok());
    assert_eq!(world.asked(), 2);
    assert!(world.verify(&token, fetched + REFRESH_AFTER.as_secs()).await.is_ok());
    assert_eq!(world.asked(), 2, "still fresh");
    world.set_down(true);
    assert!(world.verify(&token, fetched + REFRESH_AFTER.as_secs() + 1).await.is_ok(), "the old set will do");
    assert_eq!(world.asked(), 3);
    assert!(world.verify(&token, fetched + STALE_AFTER.as_secs()).await.is_ok());
    assert_eq!(world.verify(&token, fetched + STALE_AFTER.as_secs() + 20).await, Err(AuthError::KeysUnavailable));
    world.set_down(false);
    assert!(world.verify(&token, fetched + STALE_AFTER.as_secs() + 40).await.is_ok());
}

/// Serves keys and a description of the issuer; whether a token of it is good.
async fn described(claims: Value, change: impl FnOnce(&mut Value)) -> Result<Caller, AuthError> {
    let key = ec("a");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let mut about = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    change(&mut about);
    let keys = json!({ "keys": [key.public] });
    let router = axum::Router::new()
        .route("/.well-known/openid-configuration", axum::routing::get(async move || about.to_string()))
        .route("/keys", axum::routing::get(async move || keys.to_string()));
    tokio::spawn(axum::serve(listener, router).into_future());
    let config = IssuerConfig {
        jwks_url: None,
        issuer: issuer.clone(),
        audience: AUDIENCE.into(),
        workspace_claim: WORKSPACE_CLAIM.into(),
        role_claim: ROLE_CLAIM.into(),
        cognito: true,
    };
    let tokens = Tokens::of_issuer(config).unwrap();
    let mut claims = with(claims);
    claims["iss"] = json!(issuer);
    let token = signed(&key, &claims);
    tokens.verify(Some(&format!("Bearer {token}")), Timestamp::from_second(NOW).unwrap()).await
}

#[tokio::test]
async fn an_issuer_says_itself_where_its_keys_are() {
    let own = || json!({ "billfold_workspace": "acme", "billfold_role": "member" });
    let caller = described(own(), |_| {}).await.unwrap();
    assert_eq!((caller.workspace.as_str(), caller.role), ("acme", Role::Member));
    let refused = Err(AuthError::KeysUnavailable);
    assert_eq!(described(own(), |about| about["issuer"] = json!("https://other.example")).await, refused);
    assert_eq!(described(own(), |about| about["jwks_uri"] = json!("http://id.example/keys")).await, refused);
    assert_eq!(described(own(), |about| *about = json!({})).await, refused);
}

#[tokio::test]
async fn cognitos_claims_count_together_or_not_at_all() {
    let cognito = json!({ "custom:billfold_workspace": "acme", "custom:billfold_role": "owner" });
    assert_eq!(described(cognito, |_| {}).await.unwrap().role, Role::Owner);
    for mixed in [
        json!({ "billfold_workspace": "acme", "custom:billfold_role": "owner" }),
        json!({ "custom:billfold_workspace": "acme", "billfold_role": "owner" }),
    ] {
        assert_eq!(described(mixed.clone(), |_| {}).await, Err(AuthError::Unauthenticated), "{mixed}");
    }
}
