// SPDX-License-Identifier: Apache-2.0
#include "daemon_serve.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/router.h"
#include "api/routes.h"
#include "async/thread.h"
#include "base/log.h"
#include "daemon_listeners.h"
#include "daemon_memory.h"
#include "daemon_process.h"
#include "daemon_signals.h"
#include "engine/config/reload.h"
#include "engine/engine.h"

namespace berth::app {

namespace {

constexpr unsigned kControlPool = 4, kStreamsPool = 4;
/// Bulk work stands back where a start wants the processor; its pool's threads take it over from their maker.
constexpr int kStreamsNice = 10;
/// For requests in progress when the daemon ends. Short: most of those that take longer are waiting for
/// something (events, logs -f, wait), and clients of containers that go on come back to the next daemon.
constexpr std::chrono::milliseconds kStopGrace{1000};
/// After so long without a request memory is given back.
constexpr std::chrono::seconds kIdle{3};

/// Gives memory back some time after the last request; nothing runs while nobody asks for anything.
async::Task<void> trim_when_idle(std::shared_ptr<async::Event> active) {
    while (true) {
        co_await active->wait();
        co_await async::sleep_for(kIdle);
        active->reset();
        give_back_memory();
    }
}

class Daemon {
  public:
    Daemon(engine::DaemonConfig config, engine::ConfigSources sources)
        : sources_(std::move(sources)),
          roots_(config),
          pidfile_(config.pidfile),
          control_(kControlPool),
          streams_("streams", kStreamsPool),
          active_(std::make_shared<async::Event>(control_)),
          signals_(control_),
          listeners_(control_, config, [active = active_] { active->set(); }),
          engine_(control_, streams_.context(), std::move(config)) {
        streams_.context().post([] { ::setpriority(PRIO_PROCESS, 0, kStreamsNice); });
    }

    void run() {
        control_.block_on(serve());
        // What is left on the other thread must not see the engine go.
        streams_.stop();
        control_.join_pool();
    }

  private:
    async::Task<void> serve();
    async::Task<void> reload();
    /// Whether containers end with the daemon.
    async::Task<bool> until_end();

    engine::ConfigSources sources_;
    ServiceNotifier notifier_;
    DaemonRoots roots_;
    PidFile pidfile_;
    async::Context control_;
    async::Thread streams_;
    std::shared_ptr<async::Event> active_;
    DaemonSignals signals_;
    DaemonListeners listeners_;
    engine::Engine engine_;
};

async::Task<void> Daemon::serve() {
    co_await engine_.start();
    listeners_.serve(api::make_handler(engine_), api::make_metrics_handler(engine_));
    control_.spawn("giving memory back", trim_when_idle(active_));
    active_->set();
    log::info("Daemon has completed initialization");
    notifier_.ready();

    bool stop_containers = co_await until_end();
    notifier_.stopping();
    co_await listeners_.stop(kStopGrace);
    co_await engine_.stop(stop_containers);
    log::info("Daemon shutdown complete");
}

async::Task<bool> Daemon::until_end() {
    while (true) {
        int number = co_await signals_.next();
        log::info("Processing signal '{}'", ::sigabbrev_np(number));
        if (number != SIGHUP) co_return number == SIGUSR2 || !engine_.config().live_restore;
        notifier_.reloading();
        co_await reload();
        notifier_.ready();
    }
}

async::Task<void> Daemon::reload() {
    engine::DaemonConfig current = engine_.config();
    auto read = [current = std::move(current), sources = sources_] {
        return engine::reload_config(current, sources);
    };
    try {
        engine::DaemonConfig next = co_await async::run_blocking(std::move(read));
        set_log_level(next);
        engine_.reload(std::move(next));
        log::info("Reloaded configuration");
    } catch (const Error& error) {
        log::error("Error reconfiguring the daemon: {}", error.what());
    }
}

}  // namespace

void serve_daemon(engine::DaemonConfig config, engine::ConfigSources sources) {
    set_up_process(config);
    log::info("Starting up");
    Daemon daemon(std::move(config), std::move(sources));
    daemon.run();
}

}  // namespace berth::app
