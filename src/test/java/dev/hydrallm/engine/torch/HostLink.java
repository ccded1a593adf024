package dev.hydrallm.engine.torch;

import java.lang.foreign.MemorySegment;

/** This process' own memory as a device's, so that what runs on a GPU can be tested without one. */
final class HostLink implements DeviceLink {
    /** So small, and of no round size, that matrices of tests go in several pieces. */
    private static final int PIECE = 4 * 251;

    @Override
    @SuppressWarnings("restricted")
    public void send(Source source, long bytes, long address) {
        for (long done = 0; done < bytes; done += PIECE) {
            long now = Math.min(PIECE, bytes - done);
            source.read(done, MemorySegment.ofAddress(address + done).reinterpret(now));
        }
    }

    @Override
    public void close() {}
}
