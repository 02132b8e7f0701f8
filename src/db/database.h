// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace berth::db {

class Statement;

inline constexpr std::chrono::milliseconds kBusyTimeout{30'000};

/// How much a power cut may take. `full`: a committed transaction survives. `off`: for data that dies with
/// the boot.
enum class Sync { full, off };

/// One step of a schema's life: SQL that brings a database from the version before it to its own. The list
/// only grows.
struct Migration {
    int version;
    std::string_view sql;
};

/// One connection to a SQLite database in WAL mode, foreign keys on, busy timeout 30 s, little memory (1 MiB
/// of pages, no mmap). Not thread-safe: one thread at a time; each thread or process that wants to work at
/// the same time opens its own. Outlives its statements and transactions. `BERTH_TRACE_SQL=1` logs each
/// statement that ends, with its time, as debug. Errors carry the path; conflict for constraint violations,
/// unavailable for a busy database (code EBUSY), a full disk (ENOSPC) or a corrupt file, else internal.
class Database {
  public:
    /// Creates the file where absent (mode 0600) and applies the migrations it lacks, each in its own
    /// exclusive transaction, with foreign keys checked at its end instead of on the way. `migrations` are in
    /// the order of their versions, which start at 1 or above; SQLite's user_version keeps the last. A
    /// database of a newer version is refused (unavailable): its path, both versions, what to do.
    Database(const std::string& path, Sync sync, std::span<const Migration> migrations);
    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;
    ~Database();

    /// A statement for the one SQL statement in `sql`, to be used by the caller until it is destroyed.
    /// Compiled texts are kept for the next time; while one is in use, the same text gives a second one.
    Statement prepare(std::string_view sql);
    /// Several statements without parameters or results.
    void execute(std::string_view sql);
    /// prepare, bind in order, run to the end. The number of rows changed.
    template <typename... Args>
    int64_t run(std::string_view sql, const Args&... args);

    /// How long to wait for locks of other connections before the Error. kBusyTimeout unless set.
    void set_busy_timeout(std::chrono::milliseconds timeout);

    /// Rows changed by the last INSERT, UPDATE or DELETE.
    int64_t changes() const;
    int64_t last_insert_id() const;
    const std::string& path() const;

  private:
    friend class Statement;
    friend class Transaction;
    friend class ReadTransaction;
    void migrate(std::span<const Migration> migrations);

    struct State;
    std::unique_ptr<State> state_;
};

/// A compiled statement in use; gives it back when destroyed. While it stands on a row, its connection sees
/// the database as of the first step and keeps it from being compacted: so leave its scope early. One that
/// changes rows (RETURNING) is stepped to its end, unless a transaction is around it: its own commit could
/// fail unseen.
class [[nodiscard]] Statement {
  public:
    Statement(Statement&& other) noexcept
        : owner_(other.owner_), statement_(std::exchange(other.statement_, nullptr)) {}
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    /// Back before the first row; what is bound stays.
    void reset();
    void bind(int index, std::nullptr_t);
    void bind(int index, int64_t value);
    void bind(int index, int value) { bind(index, static_cast<int64_t>(value)); }
    void bind(int index, uint64_t value) { bind(index, static_cast<int64_t>(value)); }
    void bind(int index, bool value) { bind(index, static_cast<int64_t>(value)); }
    void bind(int index, std::string_view value);
    void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
    void bind(int index, const char* value) { bind(index, std::string_view(value)); }
    template <typename T>
    void bind(int index, const std::optional<T>& value) {
        if (value)
            bind(index, *value);
        else
            bind(index, nullptr);
    }
    /// Resets and binds parameters 1, 2, …, which must be all there are.
    template <typename... Args>
    Statement& with(const Args&... args) & {
        start(sizeof...(args));
        int index = 0;
        (bind(++index, args), ...);
        return *this;
    }
    /// `Statement rows = database.prepare("…").with(…);`
    template <typename... Args>
    Statement with(const Args&... args) && {
        with(args...);
        return std::move(*this);
    }

    /// True while there is a row. After false the statement is reset.
    bool step();
    int64_t integer(int column) const;
    std::string text(int column) const;
    bool is_null(int column) const;
    std::optional<std::string> optional_text(int column) const;

  private:
    friend class Database;
    Statement(Database::State* owner, sqlite3_stmt* statement) : owner_(owner), statement_(statement) {}
    void start(size_t parameters);
    void check(int result) const;

    Database::State* owner_;
    sqlite3_stmt* statement_;
};

/// BEGIN IMMEDIATE (so that what is read stays true until the commit); rolls back unless committed. Inside
/// another one of the same connection it is a savepoint: its rollback undoes its own part, and its commit
/// lasts if the outer one's does. Transactions end in the reverse order of their beginning.
class [[nodiscard]] Transaction {
  public:
    explicit Transaction(Database& database);
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();
    /// Where it throws, nothing is committed.
    void commit();

  private:
    Database::State& state_;
    int depth_;
    bool open_ = true;
};

/// While it lives, all that is read is one state of the database, whatever others commit meanwhile. Within a
/// transaction it adds nothing. Short: it keeps the log from being compacted.
class [[nodiscard]] ReadTransaction {
  public:
    explicit ReadTransaction(Database& database);
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;
    ~ReadTransaction();

  private:
    Database::State* state_;  ///< null within a transaction
};

template <typename... Args>
int64_t Database::run(std::string_view sql, const Args&... args) {
    Statement statement = prepare(sql).with(args...);
    while (statement.step()) {
    }
    return changes();
}

}  // namespace berth::db
