// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "spec/api/samples_fixture.h"
#include "spec/api/system_views.h"

namespace berth::spec::api {
namespace {

template <typename Decode, typename Encode>
void expect_same(const char* text, Decode decode, Encode encode) {
    json::Value sent = json::parse(text);
    json::Value back = encode(decode(sent));
    EXPECT_EQ(back, sent) << json::print(back);
}

TEST(ViewsTest, ContainersComeBackAsDockerWritesThem) {
    expect_same(sample::kInspect, decode_container_inspect, encode_container_inspect);
    expect_same(sample::kSummary, decode_container_summary, encode_container_summary);
    expect_same(sample::kStats, decode_stats, encode_stats);
    expect_same(sample::kNoStats, decode_stats, encode_stats);
    expect_same(sample::kExec, decode_exec_inspect, encode_exec_inspect);
}

TEST(ViewsTest, SummariesAreTheSameWrittenAtOnce) {
    for (bool full : {true, false}) {
        ContainerSummary summary;
        if (full) summary = decode_container_summary(json::parse(sample::kSummary));
        std::string text = "[";
        append_container_summary(text, summary);
        EXPECT_EQ(text, "[" + json::print(encode_container_summary(summary)));
    }
}

TEST(ViewsTest, WhatIsLeftOut) {
    EXPECT_EQ(json::print(encode_wait_response({})), R"({"StatusCode":0})");
    EXPECT_EQ(json::print(encode_wait_response({.StatusCode = 1, .Error = WaitError{"x"}})),
              R"({"StatusCode":1,"Error":{"Message":"x"}})");
    EXPECT_EQ(json::print(encode_create_response({"a", {}})), R"({"Id":"a","Warnings":[]})");
    EXPECT_EQ(json::print(encode_changes({})), "null");
    EXPECT_EQ(json::print(encode_changes({{.Kind = 1, .Path = "/x"}})), R"([{"Kind":1,"Path":"/x"}])");
    EXPECT_EQ(json::print(encode_prune_report({})), R"({"ContainersDeleted":null,"SpaceReclaimed":0})");
    EXPECT_EQ(json::print(encode_image_delete_items({{.Deleted = "", .Untagged = "a:b"}})),
              R"([{"Untagged":"a:b"}])");
}

TEST(ViewsTest, Events) {
    EventMessage event;
    event.Type = "volume";
    event.Action = "create";
    event.Actor = {"data", {{"driver", "local"}}};
    event.time = 5;
    event.timeNano = 5'000'000'007;
    EXPECT_EQ(json::print(encode_event(event)),
              R"({"Type":"volume","Action":"create","Actor":{"ID":"data","Attributes":{"driver":"local"}},)"
              R"("scope":"local","time":5,"timeNano":5000000007})");
    event.status = "start";
    event.id = "abc";
    json::Value value = encode_event(event);
    EXPECT_EQ(encode_event(decode_event(value)), value);
}

TEST(ViewsTest, Volumes) {
    Volume volume;
    volume.Name = "data";
    volume.Driver = "local";
    volume.CreatedAt = "2026-11-22T11:15:15Z";
    volume.Mountpoint = "/v/data/_data";
    EXPECT_EQ(json::print(encode_volume(volume)),
              R"({"CreatedAt":"2026-11-22T11:15:15Z","Driver":"local","Labels":null,)"
              R"("Mountpoint":"/v/data/_data","Name":"data","Options":null,"Scope":"local"})");
    EXPECT_EQ(json::print(encode_volume_list({})), R"({"Volumes":[],"Warnings":null})");
    auto request = decode_volume_create_request(json::parse(R"({"Name":"x","DriverOpts":{"type":"tmpfs"}})"));
    EXPECT_EQ(items(request.DriverOpts).at("type"), "tmpfs");
    EXPECT_FALSE(request.ClusterVolumeSpec);
}

TEST(ViewsTest, Networks) {
    Network network;
    network.Name = "none";
    network.Driver = "null";
    network.IPAM.Config.emplace();
    network.Options.emplace();
    network.Labels.emplace();
    EXPECT_EQ(json::print(encode_network(network)),
              R"({"Name":"none","Id":"","Created":"","Scope":"local","Driver":"null","EnableIPv4":true,)"
              R"("EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[]},"Internal":false,)"
              R"("Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,)"
              R"("Containers":{},"Options":{},"Labels":{}})");
}

TEST(ViewsTest, Images) {
    ImageSummary image;
    image.Id = "sha256:a";
    image.RepoTags = {"a:b"};
    EXPECT_EQ(json::print(encode_image_summary(image)),
              R"({"Containers":-1,"Created":0,"Id":"sha256:a","Labels":null,"ParentId":"","RepoDigests":[],)"
              R"("RepoTags":["a:b"],"SharedSize":-1,"Size":0})");
    image.VirtualSize = 0;
    image.Descriptor.emplace();
    image.Descriptor->platform = spec::Platform{"amd64", "linux", "", {}, ""};
    std::string text = json::print(encode_image_summary(image));
    EXPECT_NE(text.find(R"("VirtualSize":0)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("size":0,"platform":{"architecture":"amd64","os":"linux"}})"), std::string::npos)
        << text;
    ImageInspect inspect;
    inspect.Config.emplace();
    text = json::print(encode_image_inspect(inspect));
    EXPECT_NE(text.find(R"("Config":{},)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("RootFS":{"Type":"layers"},)"), std::string::npos) << text;
}

TEST(ViewsTest, System) {
    std::string text = json::print(encode_info({}));
    EXPECT_EQ(text.find("KernelMemory"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("MemoryLimit":false)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("RemoteManagers":null)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("ContainerdCommit":{"ID":""})"), std::string::npos) << text;
    EXPECT_EQ(json::print(encode_disk_usage({})),
              R"({"LayersSize":0,"Images":null,"Containers":null,"Volumes":null,"BuildCache":null})");
    Version version;
    version.Version_ = "1";
    text = json::print(encode_version(version));
    EXPECT_NE(text.find(R"("Version":"1")"), std::string::npos) << text;
    EXPECT_EQ(text.find("Experimental"), std::string::npos) << text;
}

}  // namespace
}  // namespace berth::spec::api
