// SPDX-License-Identifier: Apache-2.0
// The container's file tree, and what changed in it.
#include <utility>

#include "engine/containers/views.h"
#include "engine/volumes/prepare.h"

namespace berth::engine {
namespace {

/// Keeps the container from starting while its tree is looked at. May end on any thread.
struct HeldView {
    HeldView(RosterPointer owner, ContainerPointer of, async::Semaphore::Permit turn)
        : roster(std::move(owner)),
          container(std::move(of)),
          permit(std::make_shared<async::Semaphore::Permit>(std::move(turn))) {}
    HeldView(const HeldView&) = delete;
    HeldView& operator=(const HeldView&) = delete;
    ~HeldView() {
        view = nullptr;
        async::Context& control = roster->services.control;
        control.post(
            [roster = std::move(roster), container = std::move(container), permit = std::move(permit)] {
                roster->services.control.spawn("unmounting volumes",
                                               roster->services.volumes.unmounted(container->id()));
            });
    }

    RosterPointer roster;
    ContainerPointer container;
    std::shared_ptr<async::Semaphore::Permit> permit;
    std::shared_ptr<RootView> view;
};

struct ViewJob {
    store::Store* store = nullptr;
    std::string id;
    bool readonly_root = false;
    PrepareRequest mounts;
};

std::shared_ptr<RootView> assemble(const ViewJob& job) {
    PreparedMounts prepared = prepare_mounts(job.mounts);
    RootView::Assembly assembly;
    assembly.root = job.store->snapshots().mount_plan(job.id);
    assembly.mounts = prepared.mounts;
    assembly.readonly_root = job.readonly_root;
    return RootView::assemble(assembly);
}

ViewJob plan_view(const RosterPointer& roster, const ManagedContainer& container) {
    const ContainerRecord& record = container.record();
    ViewJob job;
    job.store = &roster->services.images.store();
    job.id = record.id;
    job.readonly_root = record.host_config.ReadonlyRootfs;
    job.mounts.mounts = record.mounts;
    job.mounts.tmpfs = record.host_config.Tmpfs;
    job.mounts.data_root = roster->config->data_root;
    job.mounts.mount_folder = roster->mounts_folder();
    for (const MountPoint& mount : record.mounts)
        if (mount.type == "volume")
            job.mounts.volumes.emplace(mount.name, roster->services.volumes.inspect(mount.name));
    job.mounts.image_plan = [store = job.store](const std::string& name) {
        store::Image image = store->get(name);
        if (!image.top_chain_id())
            throw make_error(ErrorKind::invalid_argument, "image {} has no layers", name);
        return store->snapshots().view_plan(*image.top_chain_id());
    };
    return job;
}

/// A shim that still ends has the tree mounted. It may live on without it, for whoever reads no output.
async::Task<void> let_go(ContainerPointer container) {
    std::shared_ptr<Life> life = container->life;
    if (!life) co_return;
    std::shared_ptr<shim::AsyncClient> shim = life->shim;
    bool is_gone = !shim;
    try {
        if (shim) co_await shim->remove(true);
    } catch (const Error&) {
        is_gone = true;
    }
    if (is_gone) co_await life->released.wait();
}

}  // namespace

async::Task<std::shared_ptr<RootView>> container_root(RosterPointer roster, ContainerPointer container) {
    if (container->is_running()) {
        auto open = [pid = container->state().pid] { return RootView::of_process(pid); };
        co_return co_await async::run_blocking(std::move(open));
    }
    async::Semaphore::Permit permit = co_await container->operations.acquire();
    if (container->is_removed)
        throw make_error(ErrorKind::not_found, "No such container: {}", container->id());
    if (container->is_running()) {
        auto open = [pid = container->state().pid] { return RootView::of_process(pid); };
        co_return co_await async::run_blocking(std::move(open));
    }
    co_await let_go(container);
    auto held = std::make_shared<HeldView>(roster, container, std::move(permit));
    std::string id = container->id();
    std::vector<MountPoint> mounts = container->record().mounts;
    ViewJob job = plan_view(roster, *container);
    co_await roster->services.volumes.mounted(std::move(id), std::move(mounts));
    auto work = [&job] { return assemble(job); };
    held->view = co_await async::run_blocking(std::move(work));
    RootView* view = held->view.get();
    co_return std::shared_ptr<RootView>(std::move(held), view);
}

async::Task<std::vector<spec::api::Change>> container_changes(RosterPointer roster,
                                                              ContainerPointer container) {
    store::Snapshots* snapshots = &roster->services.images.store().snapshots();
    auto work = [snapshots, id = container->id()] {
        std::vector<spec::api::Change> shown;
        for (store::Change& change : snapshots->changes(id)) {
            int kind = change.kind == store::ChangeKind::modified ? 0
                       : change.kind == store::ChangeKind::added  ? 1
                                                                  : 2;
            shown.push_back({.Kind = kind, .Path = std::move(change.path)});
        }
        return shown;
    };
    co_return co_await async::run_blocking(std::move(work));
}

}  // namespace berth::engine
