package dev.hydrallm.hub;

/**
 * A file in a repository.
 *
 * @param name its path in the repository
 * @param size its bytes
 */
record RemoteFile(String name, ContentHash hash, long size) {}
