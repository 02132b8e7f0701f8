// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/error.h"
#include "store/inflate.h"

namespace berth::store {

namespace {

/// Debian has ISA-L as a shared library only, and it may be missing: found at run time.
struct Isal {
    decltype(&isal_inflate_init) init = nullptr;
    decltype(&isal_inflate) inflate = nullptr;

    Isal() {
        void* library = ::dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) return;
        init = reinterpret_cast<decltype(init)>(::dlsym(library, "isal_inflate_init"));
        inflate = reinterpret_cast<decltype(inflate)>(::dlsym(library, "isal_inflate"));
    }
    bool usable() const { return init != nullptr && inflate != nullptr; }
};

const Isal& isal() {
    static const Isal library;
    return library;
}

class IsalInflater : public Inflater {
  public:
    IsalInflater() : memory_(std::make_unique_for_overwrite<std::byte[]>(kMemory)) {
        state_ = new (memory_.get()) inflate_state;
        reset();
    }

    void reset() override {
        isal().init(state_);
        state_->crc_flag = ISAL_GZIP_NO_HDR;
    }

    Step step(std::span<const std::byte> in, std::span<std::byte> out) override {
        // Its lengths have 32 bits.
        in = in.first(std::min(in.size(), kMaxSpan));
        out = out.first(std::min(out.size(), kMaxSpan));
        state_->next_in = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(in.data()));
        state_->avail_in = static_cast<uint32_t>(in.size());
        state_->next_out = reinterpret_cast<uint8_t*>(out.data());
        state_->avail_out = static_cast<uint32_t>(out.size());
        if (isal().inflate(state_) < 0) throw Error(ErrorKind::invalid_argument, "corrupt gzip data");
        Step result{in.size() - state_->avail_in, out.size() - state_->avail_out,
                    state_->block_state == ISAL_BLOCK_FINISH};
        if (result.ended) take_surplus();
        return result;
    }

    std::span<const std::byte> surplus() const override { return std::span(surplus_).first(surplus_size_); }
    uint32_t crc() const override { return state_->crc; }

  private:
    static constexpr size_t kMaxSpan = 1U << 30;
    /// Room for an inflate_state of a later version with the same soname.
    static constexpr size_t kMemory = sizeof(inflate_state) + 64 * 1024;

    /// It reads up to 8 bytes ahead into a bit buffer.
    void take_surplus() {
        auto bits = static_cast<unsigned>(std::max(state_->read_in_length, 0));
        surplus_size_ = bits / 8;
        uint64_t value = bits % 8 == 0 ? state_->read_in : state_->read_in >> (bits % 8);
        std::memcpy(surplus_.data(), &value, sizeof value);
    }

    std::unique_ptr<std::byte[]> memory_;
    inflate_state* state_;
    std::array<std::byte, 8> surplus_{};
    size_t surplus_size_ = 0;
};

}  // namespace

std::unique_ptr<Inflater> make_isal_inflater() {
    if (!isal().usable()) return nullptr;
    return std::make_unique<IsalInflater>();
}

}  // namespace berth::store
