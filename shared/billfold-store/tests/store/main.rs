//! The store's promises, in SQLite and in DynamoDB.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::duplicate_mod, reason = "the same promises twice is the point")]

#[path = "."]
mod in_sqlite {
    #[path = "promises.rs"]
    mod promises;

    async fn open() -> billfold_store::Store {
        billfold_store::embedded::memory().await.unwrap()
    }
}

#[path = "."]
mod in_dynamodb {
    #[path = "promises.rs"]
    mod promises;

    async fn open() -> billfold_store::Store {
        billfold_store::inside::memory().await.unwrap()
    }
}
