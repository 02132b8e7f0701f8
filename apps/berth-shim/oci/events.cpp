// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <time.h>

#include <array>
#include <climits>

#include "base/error.h"
#include "command.h"
#include "sys/file.h"
#include "sys/process.h"

namespace berth::oci {

namespace {

using std::chrono::nanoseconds;

constexpr std::array kFlags = {
    Flag{"interval", "", Flag::Kind::duration, "time between two samples", "5s"},
    Flag{"stats", "", Flag::Kind::boolean, "print one sample and return"},
};

void print_line(const std::string& line) {
    sys::write_all(1, line + '\n', "stdout");
}

void print_stats(const runtime::Container& container) {
    print_line(runtime::encode_stats_event(container.id(), container.stats()));
}

nanoseconds now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

/// Tells of the kills that came since the last time.
class OomWatch {
  public:
    explicit OomWatch(const runtime::Container& container) : container_(container), kills_(count()) {
        if (container.cgroup()) events_ = container.cgroup()->oom_events();
    }

    pollfd wanted() const { return events_ ? pollfd{events_->fd(), events_->events(), 0} : pollfd{-1, 0, 0}; }
    void take() {
        if (events_ && !events_->drain()) events_.reset();
        uint64_t kills = count();
        for (; kills_ < kills; ++kills_) print_line(runtime::encode_oom_event(container_.id()));
    }

  private:
    uint64_t count() const {
        return container_.cgroup() ? container_.cgroup()->oom_kills().value_or(kills_) : kills_;
    }

    const runtime::Container& container_;
    std::optional<sys::OomEvents> events_;
    uint64_t kills_ = 0;
};

/// Until the container's init process ends.
void follow(const runtime::Container& container, nanoseconds interval) {
    std::optional<UniqueFd> init = sys::open_pidfd(container.init_pid());
    if (!init) return;
    OomWatch oom(container);
    nanoseconds next = now() + interval;
    while (container.status() != runtime::Status::stopped) {
        nanoseconds left = std::max(next - now(), nanoseconds(0));
        timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
        std::array<pollfd, 2> polled = {{{init->get(), POLLIN, 0}, oom.wanted()}};
        if (ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0 && errno != EINTR)
            throw errno_error(errno, "poll");
        if (polled[1].revents) oom.take();
        if (polled[0].revents) break;
        if (now() >= next) {
            print_stats(container);
            next += interval;
        }
    }
    oom.take();  // a kill may have ended the container before its event was seen
}

int events(const Invocation& invocation) {
    runtime::Container container = invocation.container();
    nanoseconds interval = invocation.flags.duration("interval").value_or(std::chrono::seconds(5));
    if (interval <= nanoseconds(0))
        throw Error(ErrorKind::invalid_argument, "duration interval must be greater than 0");
    if (container.status() == runtime::Status::stopped)
        throw make_error(ErrorKind::conflict, "container with id {} is not running", container.id());
    if (invocation.flags.boolean("stats"))
        print_stats(container);
    else
        follow(container, interval);
    return 0;
}

}  // namespace

constinit const Command kEventsCommand = {
    .name = "events",
    .summary = "print what a container uses, and out-of-memory kills, as lines of JSON",
    .arguments = "<container-id>",
    .description = "A sample each interval, until the container ends.",
    .flags = kFlags,
    .run = events,
};

}  // namespace berth::oci
