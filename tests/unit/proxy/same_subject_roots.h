// Roots whose subject is the same text, "CN=mesh root"; made once by openssl, for tests alone. Valid from 2020 to 2120.
#pragma once

namespace mesh::proxy {

// One key,
inline constexpr const char* kRootKeyA =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgU5eDptRBvLkyvr9K\n"
    "BgY8VZuJRf8EO76q0iUehKQBsB6hRANCAASlwAIWN21lPwzoGB0D5xqsnlhVk98v\n"
    "44TopbMe36AXxOviV4t7Ap5QbsyJ7dih73nZJQDE94e9223x7ZuACbhS\n"
    "-----END PRIVATE KEY-----\n";
// its root,
inline constexpr const char* kRootA =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBmzCCAUGgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAltZXNoIHJv\n"
    "b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n"
    "CW1lc2ggcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKXAAhY3bWU/DOgY\n"
    "HQPnGqyeWFWT3y/jhOilsx7foBfE6+JXi3sCnlBuzInt2KHvedklAMT3h73bbfHt\n"
    "m4AJuFKjgYEwfzAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjA9BgNV\n"
    "HREENjA0hjJzcGlmZmU6Ly81YWQxZTdjMi02YTFjLTRjMGUtOWEzZS0wZDZmMGYx\n"
    "ZjhhMDEubWVzaDAdBgNVHQ4EFgQUTgTTE61Csh8+T6yuKvcpk4b6JTIwCgYIKoZI\n"
    "zj0EAwIDSAAwRQIhAMGKkqmZDf0O4Bux+bycs7qeTYmf+iEW8BcwSN1JPP8KAiBq\n"
    "qCKmf3zSFXDusK5VeUewFvjcpBcMD5j+vTVfdL1fTg==\n"
    "-----END CERTIFICATE-----\n";
// the same key under another serial number;
inline constexpr const char* kRootAgainA =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnDCCAUGgAwIBAgIBBzAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAltZXNoIHJv\n"
    "b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n"
    "CW1lc2ggcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKXAAhY3bWU/DOgY\n"
    "HQPnGqyeWFWT3y/jhOilsx7foBfE6+JXi3sCnlBuzInt2KHvedklAMT3h73bbfHt\n"
    "m4AJuFKjgYEwfzAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjA9BgNV\n"
    "HREENjA0hjJzcGlmZmU6Ly81YWQxZTdjMi02YTFjLTRjMGUtOWEzZS0wZDZmMGYx\n"
    "ZjhhMDEubWVzaDAdBgNVHQ4EFgQUTgTTE61Csh8+T6yuKvcpk4b6JTIwCgYIKoZI\n"
    "zj0EAwIDSQAwRgIhAKAeiRGlGXVU4X29PMvqJaR/ovmeMQlsUXFB913f6G63AiEA\n"
    "kS0oqe1HN/150pJwoV6JXr2VSybCMfJAJCpRVP8G5zQ=\n"
    "-----END CERTIFICATE-----\n";
// another key
inline constexpr const char* kRootKeyB =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvxIodujES5ONo0R1\n"
    "WEWTwNTe6llEOz6KWzn3jtjyQnGhRANCAATczycG3Qc0Q4E4UNO3zW5IGavSBDUw\n"
    "xvus0eSyruy/7xkp2vi9gHvtx4GH2P46eaxABZ8ZnedAbaiTudefM9TN\n"
    "-----END PRIVATE KEY-----\n";
// and its root.
inline constexpr const char* kRootB =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBmzCCAUGgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAltZXNoIHJv\n"
    "b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n"
    "CW1lc2ggcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNzPJwbdBzRDgThQ\n"
    "07fNbkgZq9IENTDG+6zR5LKu7L/vGSna+L2Ae+3HgYfY/jp5rEAFnxmd50BtqJO5\n"
    "158z1M2jgYEwfzAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjA9BgNV\n"
    "HREENjA0hjJzcGlmZmU6Ly81YWQxZTdjMi02YTFjLTRjMGUtOWEzZS0wZDZmMGYx\n"
    "ZjhhMDEubWVzaDAdBgNVHQ4EFgQUGo7WY8g65p6yuvMNfrkVZ+jfxicwCgYIKoZI\n"
    "zj0EAwIDSAAwRQIgFNkBdTekTYIopSh42kKveAdiTDVoEdujfDSTdfea5YQCIQDR\n"
    "9zmD3/b0OiJS3JWqZUeR5qSTKr1CoUungxhnajF4hw==\n"
    "-----END CERTIFICATE-----\n";

}  // namespace mesh::proxy
