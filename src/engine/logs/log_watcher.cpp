// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/log_watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// Where inotify can't be had the files are looked at so often.
constexpr std::chrono::milliseconds kPollInterval{250};

// IN_ATTRIB: the number of links; a file that is open is not deleted before it is closed.
constexpr uint32_t kFileEvents = IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB;
constexpr uint32_t kFolderEvents = IN_CREATE | IN_MOVED_TO;
constexpr int kOverflow = -1;

}  // namespace

struct LogWatch::State {
    State(async::Context& loop, std::shared_ptr<LogWatcher::State> owner)
        : context(loop), event(loop), watcher(std::move(owner)) {}

    async::Context& context;
    async::Event event;
    std::shared_ptr<LogWatcher::State> watcher;
    int file_watch = -1;
    int folder_watch = -1;
    uint64_t inode = 0;
};

struct LogWatcher::State {
    explicit State(async::Context& loop) : context(loop) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { stop(); }

    /// -1: it can't be watched.
    int add(const std::string& path, uint32_t events, const std::shared_ptr<LogWatch::State>& watch);
    void remove(int id, const LogWatch::State* watch);
    void start();
    void stop();
    void read_events();
    void tell();

    async::Context& context;
    UniqueFd inotify, stopped;
    std::thread thread;
    /// On the context's thread.
    std::map<int, std::vector<std::weak_ptr<LogWatch::State>>> watches;

    std::mutex mutex;
    std::set<int> changed;  ///< guarded by mutex; not empty: tell() is on its way
    std::weak_ptr<State> self;
};

void LogWatcher::State::start() {
    if (inotify) return;
    inotify.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    stopped.reset(::eventfd(0, EFD_CLOEXEC));
    if (!inotify || !stopped) {
        inotify.reset();
        return;
    }
    thread = std::thread([this] { read_events(); });
}

void LogWatcher::State::stop() {
    if (!thread.joinable()) return;
    uint64_t one = 1;
    (void)!::write(stopped.get(), &one, sizeof one);
    thread.join();
}

void LogWatcher::State::read_events() {
    alignas(inotify_event) char buffer[16 * 1024];
    while (true) {
        pollfd wanted[] = {{inotify.get(), POLLIN, 0}, {stopped.get(), POLLIN, 0}};
        if (::poll(wanted, 2, -1) < 0) continue;
        if (wanted[1].revents != 0) return;
        ssize_t got = ::read(inotify.get(), buffer, sizeof buffer);
        std::lock_guard lock(mutex);
        bool first = changed.empty();
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            changed.insert((event->mask & IN_Q_OVERFLOW) != 0 ? kOverflow : event->wd);
            at += static_cast<ssize_t>(sizeof *event + event->len);
        }
        if (first && !changed.empty())
            context.post([weak = self] {
                if (auto state = weak.lock()) state->tell();
            });
    }
}

void LogWatcher::State::tell() {
    std::set<int> ids;
    {
        std::lock_guard lock(mutex);
        ids.swap(changed);
    }
    bool all = ids.contains(kOverflow);
    for (auto& [id, list] : watches) {
        if (!all && !ids.contains(id)) continue;
        for (const auto& weak : list)
            if (auto watch = weak.lock()) watch->event.set();
    }
}

int LogWatcher::State::add(const std::string& path, uint32_t events,
                           const std::shared_ptr<LogWatch::State>& watch) {
    start();
    if (!inotify) return -1;
    int id = ::inotify_add_watch(inotify.get(), path.c_str(), events);
    if (id >= 0) watches[id].push_back(watch);
    return id;
}

void LogWatcher::State::remove(int id, const LogWatch::State* watch) {
    auto found = watches.find(id);
    if (found == watches.end()) return;
    std::erase_if(found->second, [&](const std::weak_ptr<LogWatch::State>& weak) {
        auto other = weak.lock();
        return !other || other.get() == watch;
    });
    if (!found->second.empty()) return;
    watches.erase(found);
    ::inotify_rm_watch(inotify.get(), id);
}

LogWatcher::LogWatcher(async::Context& context) : state_(std::make_shared<State>(context)) {
    state_->self = state_;
}
LogWatcher::~LogWatcher() {
    state_->stop();
}

LogWatch::LogWatch(LogWatcher& watcher)
    : state_(std::make_shared<State>(watcher.state_->context, watcher.state_)) {}
LogWatch::LogWatch(LogWatch&&) noexcept = default;
LogWatch& LogWatch::operator=(LogWatch&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}
LogWatch::~LogWatch() {
    if (!state_) return;
    for (int id : {state_->file_watch, state_->folder_watch})
        if (id >= 0) state_->watcher->remove(id, state_.get());
}

async::Task<void> LogWatch::wait(int fd, uint64_t inode, std::string path, int64_t until_ns) {
    std::shared_ptr<State> state = state_;
    bool fresh = false;
    if (state->folder_watch < 0) {
        size_t slash = path.find_last_of('/');
        std::string folder = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
        state->folder_watch = state->watcher->add(folder, kFolderEvents, state);
        fresh = state->folder_watch >= 0;
    }
    if (fd >= 0 && (state->file_watch < 0 || state->inode != inode)) {
        if (state->file_watch >= 0) state->watcher->remove(state->file_watch, state.get());
        state->file_watch = state->watcher->add("/proc/self/fd/" + std::to_string(fd), kFileEvents, state);
        state->inode = inode;
        fresh = fresh || state->file_watch >= 0;
    }
    if (fresh) co_return;
    bool watched = state->folder_watch >= 0 && (fd < 0 || state->file_watch >= 0);
    if (watched && until_ns == 0) {
        co_await state->event.wait();
    } else {
        auto limit = kPollInterval;
        if (watched) {
            int64_t left_ms = (until_ns - now_ns()) / 1'000'000 + 1;
            constexpr int64_t kLongest = int64_t{24} * 3600 * 1000;
            limit = std::chrono::milliseconds(std::clamp<int64_t>(left_ms, 0, kLongest));
        }
        try {
            async::Task<void> changed = state->event.wait();
            co_await async::with_timeout(limit, "log", std::move(changed));
        } catch (const Error&) {
            // Time to look again.
        }
    }
    state->event.reset();
}

void LogWatch::wake() {
    waker()();
}

std::function<void()> LogWatch::waker() const {
    return [weak = std::weak_ptr(state_), &context = state_->context] {
        context.post([weak] {
            if (auto state = weak.lock()) state->event.set();
        });
    };
}

}  // namespace berth::engine
