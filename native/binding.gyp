{
  "variables": { "warnings": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-O2", "-std=c++17"] },
  "targets": [
    {
      "target_name": "trotline",
      "sources": [
        "src/addon.cc",
        "src/netlink_socket.cc",
        "src/dump_run.cc",
        "src/descriptor_passing.cc",
        "src/launcher_protocol.cc",
        "src/opener_link.cc",
        "src/opener_protocol.cc",
        "src/peer_credentials.cc",
        "src/socket_options.cc",
        "src/message_parser.cc",
        "src/link_family.cc",
        "src/address_family.cc",
        "src/route_family.cc",
        "src/neighbour_family.cc",
        "src/rule_family.cc",
        "src/attributes.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=10", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)", "-fexceptions"]
    },
    {
      "target_name": "trotline-spawner",
      "type": "executable",
      "sources": [
        "src/spawner.cc",
        "src/spawner_program.cc",
        "src/spawner_protocol.cc",
        "src/spawner_supervisor.cc",
        "src/spawner_system.cc",
        "src/capabilities.cc"
      ],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)"],
      "ldflags": ["-static"],
      "ldflags!": ["-rdynamic"]
    },
    {
      "target_name": "trotline-opener",
      "type": "executable",
      "sources": [
        "src/opener.cc",
        "src/netns_registry.cc",
        "src/descriptor_passing.cc",
        "src/opener_protocol.cc",
        "src/socket_options.cc",
        "src/capabilities.cc"
      ],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)", "-fexceptions"],
      "ldflags": ["-static"],
      "ldflags!": ["-rdynamic"]
    },
    {
      "target_name": "trotline-launcher",
      "type": "executable",
      "sources": [
        "src/launcher.cc",
        "src/launcher_helpers.cc",
        "src/launcher_user.cc",
        "src/descriptor_passing.cc",
        "src/spawner_system.cc",
        "src/capabilities.cc"
      ],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)"],
      "ldflags": ["-static"],
      "ldflags!": ["-rdynamic"]
    },
    {
      "target_name": "trotline-hook",
      "type": "executable",
      "sources": [
        "src/trotline_hook.cc",
        "src/hook_address.cc",
        "src/hook_answer.cc",
        "src/hook_calls.cc",
        "src/hook_json.cc",
        "src/hook_options.cc"
      ],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)"],
      "ldflags": ["-static"],
      "ldflags!": ["-rdynamic"]
    },
    {
      "target_name": "link-producer",
      "type": "executable",
      "sources": ["src/link_producer.cc"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "cflags_cc": ["<@(warnings)"],
      "ldflags!": ["-rdynamic"]
    }
  ]
}
