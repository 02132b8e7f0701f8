// SPDX-License-Identifier: Apache-2.0
#include "db/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/strings.h"

namespace berth::db {

struct Database::State {
    std::string path;
    sqlite3* handle = nullptr;
    /// Compiled statements that nobody uses. Texts are the program's own, so there are few.
    std::map<std::string, std::vector<sqlite3_stmt*>, std::less<>> idle;
    int depth = 0;  ///< of transactions

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        for (auto& [sql, statements] : idle)
            for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
        sqlite3_close_v2(handle);
    }

    /// Of the last call on this connection, which failed with `result`.
    Error error(int result) const;
    void execute(const std::string& sql);
    bool try_execute(const char* sql) noexcept {
        return sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
    }
    int64_t query(const std::string& sql);
    void use_wal();
};

Error Database::State::error(int result) const {
    ErrorKind kind = ErrorKind::internal;
    int code = 0;
    switch (result & 0xff) {
        case SQLITE_CONSTRAINT: kind = ErrorKind::conflict; break;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            kind = ErrorKind::unavailable;
            code = EBUSY;
            break;
        case SQLITE_FULL:
            kind = ErrorKind::unavailable;
            code = ENOSPC;
            break;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_IOERR:
            kind = ErrorKind::unavailable;
            code = handle != nullptr ? sqlite3_system_errno(handle) : 0;
            break;
        default: break;
    }
    const char* words = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(result);
    bool with_errno = (result & 0xff) != SQLITE_BUSY && (result & 0xff) != SQLITE_LOCKED &&
                      (result & 0xff) != SQLITE_FULL && code != 0;
    return Error(
        kind,
        fmt::format("{}: {}{}{}", path, words, with_errno ? ": " : "", with_errno ? errno_text(code) : ""),
        code);
}

void Database::State::execute(const std::string& sql) {
    int result = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) throw error(result);
}

/// The first column of the first row, 0 if there is none.
int64_t Database::State::query(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    int result = sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr);
    std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> guard(statement, sqlite3_finalize);
    if (result == SQLITE_OK) result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE) throw error(result);
    return result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
}

/// SQLite does not wait where two connections would wait for each other, as they do when both turn a new
/// database to WAL.
void Database::State::use_wal() {
    using namespace std::chrono;
    auto deadline = steady_clock::now() + kBusyTimeout;
    while (true) {
        int result = sqlite3_exec(handle, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
        if (result == SQLITE_OK) return;
        if ((result & 0xff) != SQLITE_BUSY || steady_clock::now() > deadline) throw error(result);
        std::this_thread::sleep_for(5ms);
    }
}

namespace {

int trace(unsigned /*event*/, void* /*context*/, void* statement, void* nanoseconds) {
    std::unique_ptr<char, void (*)(void*)> sql(sqlite3_expanded_sql(static_cast<sqlite3_stmt*>(statement)),
                                               sqlite3_free);
    try {
        log::debug("sql {:.3f} ms {}", static_cast<double>(*static_cast<sqlite3_int64*>(nanoseconds)) / 1e6,
                   sql ? sql.get() : "");
    } catch (...) {
    }
    return 0;
}

}  // namespace

Database::Database(const std::string& path, Sync sync, std::span<const Migration> migrations)
    : state_(std::make_unique<State>()) {
    state_->path = path;
    // Not by open(2): closing a descriptor of the file would drop the locks of this process' other
    // connections.
    if (::mknod(path.c_str(), S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        throw errno_error(errno, "create " + path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (int result = sqlite3_open_v2(path.c_str(), &state_->handle, flags, nullptr); result != SQLITE_OK)
        throw state_->error(result);
    if (const char* wanted = std::getenv("BERTH_TRACE_SQL");
        wanted != nullptr && std::string_view(wanted) == "1")
        sqlite3_trace_v2(state_->handle, SQLITE_TRACE_PROFILE, trace, nullptr);
    set_busy_timeout(kBusyTimeout);
    state_->use_wal();
    state_->execute(
        fmt::format("PRAGMA synchronous = {};"
                    "PRAGMA journal_size_limit = 4194304;"
                    "PRAGMA cache_size = -1024;"
                    "PRAGMA mmap_size = 0;"
                    "PRAGMA temp_store = MEMORY;"
                    "PRAGMA trusted_schema = OFF;",
                    sync == Sync::full ? "FULL" : "OFF"));
    // A migration that makes a table anew drops what others refer to.
    state_->execute("PRAGMA foreign_keys = OFF");
    migrate(migrations);
    state_->execute("PRAGMA foreign_keys = ON");
}

Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

void Database::migrate(std::span<const Migration> migrations) {
    int64_t newest = migrations.empty() ? 0 : migrations.back().version;
    auto version = [&] { return state_->query("PRAGMA user_version"); };
    auto check_newest = [&](int64_t present) {
        if (present <= newest) return;
        throw make_error(
            ErrorKind::unavailable,
            "{}: its schema has version {}, and this program knows none above {}: use the version of berth "
            "that wrote it or a newer one",
            state_->path, present, newest);
    };
    check_newest(version());
    for (const Migration& migration : migrations) {
        if (version() >= migration.version) continue;
        with_context(fmt::format("migrating {} to version {}", state_->path, migration.version), [&] {
            state_->execute("BEGIN EXCLUSIVE");
            try {
                // Another process may have been first.
                int64_t present = version();
                check_newest(present);
                if (present < migration.version) {
                    state_->execute(std::string(migration.sql));
                    if (state_->query("SELECT count(*) FROM pragma_foreign_key_check") != 0)
                        throw Error(ErrorKind::internal, "rows refer to rows that are not there");
                    state_->execute(fmt::format("PRAGMA user_version = {}", migration.version));
                }
                state_->execute("COMMIT");
            } catch (...) {
                state_->try_execute("ROLLBACK");
                throw;
            }
        });
    }
}

void Database::set_busy_timeout(std::chrono::milliseconds timeout) {
    sqlite3_busy_timeout(state_->handle, static_cast<int>(timeout.count()));
}

Statement Database::prepare(std::string_view sql) {
    if (auto kept = state_->idle.find(sql); kept != state_->idle.end() && !kept->second.empty()) {
        sqlite3_stmt* statement = kept->second.back();
        kept->second.pop_back();
        return Statement(state_.get(), statement);
    }
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    int result = sqlite3_prepare_v3(state_->handle, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &statement, &tail);
    if (result != SQLITE_OK) {
        Error error = state_->error(result);
        throw Error(error.kind(), fmt::format("{} in {}", error.what(), quote(sql)), error.code());
    }
    Statement made(state_.get(), statement);
    if (statement == nullptr || tail != sql.data() + sql.size())
        throw make_error(ErrorKind::internal, "{}: not one statement: {}", state_->path, quote(sql));
    return made;
}

void Database::execute(std::string_view sql) {
    state_->execute(std::string(sql));
}

int64_t Database::changes() const {
    return sqlite3_changes64(state_->handle);
}

int64_t Database::last_insert_id() const {
    return sqlite3_last_insert_rowid(state_->handle);
}

const std::string& Database::path() const {
    return state_->path;
}

Statement::~Statement() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);  // large texts are not kept
    try {
        owner_->idle[sqlite3_sql(statement_)].push_back(statement_);
    } catch (...) {
        sqlite3_finalize(statement_);
    }
}

void Statement::reset() {
    // What it returns is the last step's error, which was thrown then.
    sqlite3_reset(statement_);
}

void Statement::start(size_t parameters) {
    reset();
    if (static_cast<size_t>(sqlite3_bind_parameter_count(statement_)) != parameters)
        throw make_error(ErrorKind::internal, "{}: {} parameters given for {}", owner_->path, parameters,
                         quote(sqlite3_sql(statement_)));
}

void Statement::bind(int index, std::nullptr_t) {
    check(sqlite3_bind_null(statement_, index));
}

void Statement::bind(int index, int64_t value) {
    check(sqlite3_bind_int64(statement_, index, value));
}

void Statement::bind(int index, std::string_view value) {
    // A null pointer would be NULL.
    const char* data = value.data() != nullptr ? value.data() : "";
    check(sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::check(int result) const {
    if (result == SQLITE_OK) return;
    Error error = owner_->error(result);
    throw Error(error.kind(), fmt::format("{} in {}", error.what(), quote(sqlite3_sql(statement_))),
                error.code());
}

bool Statement::step() {
    int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) {
        reset();
        return false;
    }
    Error error = owner_->error(result);
    reset();
    throw error;
}

int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
    const unsigned char* data = sqlite3_column_text(statement_, column);
    size_t size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(data), size);
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::optional<std::string> Statement::optional_text(int column) const {
    if (is_null(column)) return std::nullopt;
    return text(column);
}

Transaction::Transaction(Database& database) : state_(*database.state_), depth_(state_.depth) {
    state_.execute(depth_ == 0 ? "BEGIN IMMEDIATE" : fmt::format("SAVEPOINT berth_{}", depth_));
    ++state_.depth;
}

Transaction::~Transaction() {
    if (!open_) return;
    state_.depth = depth_;
    // After some errors (a full disk) SQLite has rolled back everything by itself.
    if (sqlite3_get_autocommit(state_.handle) != 0) return;
    if (depth_ == 0) {
        state_.try_execute("ROLLBACK");
    } else {
        char sql[64];
        *fmt::format_to(sql, "ROLLBACK TO berth_{}; RELEASE berth_{}", depth_, depth_) = '\0';
        state_.try_execute(sql);
    }
}

ReadTransaction::ReadTransaction(Database& database)
    : state_(database.state_->depth == 0 ? database.state_.get() : nullptr) {
    if (state_ != nullptr) state_->execute("BEGIN");
}

ReadTransaction::~ReadTransaction() {
    // After some errors SQLite has ended it by itself.
    if (state_ != nullptr && sqlite3_get_autocommit(state_->handle) == 0) state_->try_execute("ROLLBACK");
}

void Transaction::commit() {
    if (!open_ || state_.depth != depth_ + 1)
        throw make_error(ErrorKind::internal, "{}: a transaction is committed out of order", state_.path);
    state_.execute(depth_ == 0 ? "COMMIT" : fmt::format("RELEASE berth_{}", depth_));
    open_ = false;
    state_.depth = depth_;
}

}  // namespace berth::db
