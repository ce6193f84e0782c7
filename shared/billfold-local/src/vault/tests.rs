use super::*;
use billfold_store::embedded;

const KEY: &str = "rk_test_a_secret_that_nobody_sees";

fn ws(text: &str) -> WorkspaceId {
    WorkspaceId::new(text).unwrap()
}

async fn vault() -> (Store, LocalVault) {
    let store = embedded::memory().await.unwrap();
    let vault = LocalVault::with_key(&store, MasterKey::random().unwrap()).await.unwrap();
    (store, vault)
}

async fn text(vault: &LocalVault, ws: &WorkspaceId, which: Secret) -> Option<String> {
    vault.get(ws, which).await.unwrap().map(|text| text.expose_secret().to_owned())
}

#[tokio::test]
async fn a_secret_comes_back_and_is_forgotten_at_once() {
    let (_, vault) = vault().await;
    let acme = ws("acme");
    assert_eq!(text(&vault, &acme, Secret::ApiKey).await, None);
    vault.put(&acme, Secret::ApiKey, KEY.into()).await.unwrap();
    vault.put(&acme, Secret::SigningSecrets, "[]".into()).await.unwrap();
    assert_eq!(text(&vault, &acme, Secret::ApiKey).await.as_deref(), Some(KEY));
    vault.put(&acme, Secret::ApiKey, "another".into()).await.unwrap();
    assert_eq!(text(&vault, &acme, Secret::ApiKey).await.as_deref(), Some("another"));
    vault.forget(&acme, Secret::ApiKey).await.unwrap();
    vault.forget(&acme, Secret::ApiKey).await.unwrap();
    assert_eq!(text(&vault, &acme, Secret::ApiKey).await, None);
    assert_eq!(text(&vault, &acme, Secret::SigningSecrets).await.as_deref(), Some("[]"));
}

#[tokio::test]
async fn workspaces_and_kinds_are_kept_apart() {
    let (_, vault) = vault().await;
    vault.put(&ws("acme"), Secret::ApiKey, KEY.into()).await.unwrap();
    assert_eq!(text(&vault, &ws("other"), Secret::ApiKey).await, None);
    assert_eq!(text(&vault, &ws("acme"), Secret::SigningSecrets).await, None);
}

#[tokio::test]
async fn nothing_of_a_secret_is_in_its_row_and_no_two_rows_are_alike() {
    let (store, vault) = vault().await;
    vault.put(&ws("acme"), Secret::ApiKey, KEY.into()).await.unwrap();
    let first = rows(&store).all().await.unwrap();
    vault.put(&ws("acme"), Secret::ApiKey, KEY.into()).await.unwrap();
    let second = rows(&store).all().await.unwrap();
    assert_ne!(first, second);
    for row in first.iter().chain(&second) {
        assert!(!row.body.contains(KEY) && !row.body.contains(&BASE64_STANDARD.encode(KEY)), "{}", row.body);
    }
    assert_eq!((format!("{vault:?}"), format!("{:?}", vault.master)), ("LocalVault".into(), "MasterKey".into()));
}

/// Flips one character somewhere in the sealed texts of the row.
fn changed(body: &str, field: &str, at: usize) -> String {
    let mut json: serde_json::Value = serde_json::from_str(body).unwrap();
    let mut bytes = BASE64_STANDARD.decode(json[field].as_str().unwrap()).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    json[field] = BASE64_STANDARD.encode(bytes).into();
    json.to_string()
}

#[tokio::test]
async fn a_row_that_was_changed_anywhere_does_not_open() {
    let (store, vault) = vault().await;
    let acme = ws("acme");
    vault.put(&acme, Secret::ApiKey, KEY.into()).await.unwrap();
    let key = place(&acme, Secret::ApiKey);
    let body = rows(&store).get(&key).await.unwrap().unwrap();
    let broken = ["key", "secret"].into_iter().flat_map(|field| (0..60).map(move |at| (field, at)));
    let mut bodies: Vec<String> = broken.map(|(field, at)| changed(&body, field, at)).collect();
    bodies.extend([
        "".into(),
        "{}".into(),
        r#"{"key":"","secret":""}"#.into(),
        r#"{"key":"!","secret":"AAAA"}"#.into(),
    ]);
    for body in bodies {
        rows(&store).put(&[LocalRow { key: key.clone(), body: body.clone() }]).await.unwrap();
        let error = vault.get(&acme, Secret::ApiKey).await.err().unwrap_or_else(|| panic!("opened: {body}"));
        assert!(matches!(error.0.downcast_ref(), Some(Unsealed::Tampered(_))), "{error:?}");
        assert!(!format!("{error:?}").contains(KEY));
    }
}

#[tokio::test]
async fn a_row_moved_to_another_workspace_or_kind_does_not_open() {
    let (store, vault) = vault().await;
    vault.put(&ws("acme"), Secret::ApiKey, KEY.into()).await.unwrap();
    let body = rows(&store).get(&place(&ws("acme"), Secret::ApiKey)).await.unwrap().unwrap();
    for (other, which) in [(ws("other"), Secret::ApiKey), (ws("acme"), Secret::SigningSecrets)] {
        rows(&store).put(&[LocalRow { key: place(&other, which), body: body.clone() }]).await.unwrap();
        assert!(vault.get(&other, which).await.is_err(), "{other} {which:?}");
    }
}

#[tokio::test]
async fn the_key_file_is_made_once_and_opens_the_vault_again() {
    let (folder, store) = (tempfile::tempdir().unwrap(), embedded::memory().await.unwrap());
    let first = LocalVault::open(&store, folder.path()).await.unwrap();
    first.put(&ws("acme"), Secret::ApiKey, KEY.into()).await.unwrap();
    let again = LocalVault::open(&store, folder.path()).await.unwrap();
    assert_eq!(text(&again, &ws("acme"), Secret::ApiKey).await.as_deref(), Some(KEY));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_key_file_that_does_not_fit_is_told_and_nothing_is_made_anew() {
    let (folder, store) = (tempfile::tempdir().unwrap(), embedded::memory().await.unwrap());
    LocalVault::open(&store, folder.path()).await.unwrap();
    let path = folder.path().join(KEY_FILE);
    let right = std::fs::read(&path).unwrap();
    let check = async |expected: fn(&VaultOpenError) -> bool| {
        let error = LocalVault::open(&store, folder.path()).await.unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(error.to_string().contains("connect again"), "{error}");
    };
    std::fs::remove_file(&path).unwrap();
    check(|error| matches!(error, VaultOpenError::Missing(_))).await;
    assert!(!path.exists());
    MasterKey::random().unwrap().write(&path).unwrap();
    check(|error| matches!(error, VaultOpenError::Wrong(_))).await;
    std::fs::write(&path, b"nonsense").unwrap();
    check(|error| matches!(error, VaultOpenError::Wrong(_))).await;
    std::fs::write(&path, right).unwrap();
    assert!(LocalVault::open(&store, folder.path()).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, store) = (tempfile::tempdir().unwrap(), embedded::memory().await.unwrap());
    LocalVault::open(&store, folder.path()).await.unwrap();
    std::fs::set_permissions(folder.path().join(KEY_FILE), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = LocalVault::open(&store, folder.path()).await.unwrap_err();
    assert!(matches!(error, VaultOpenError::File(DataDirError::NotPrivate { mode: 0o644, .. })), "{error:?}");
}
