package dev.hydrallm.engine.torch;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Copies through memory that the device reads by itself, while the next part is written beside it. Every thread that copies at the
 * same time has two such rooms and a stream of its own, all of which are kept for the next copy.
 */
final class CudaLink implements DeviceLink {
    /** Large enough for the bus' full speed, small enough that two for each processor cost little. */
    private static final int ROOM = 4 << 20;

    private final Cuda cuda;
    private final int device;
    private final ConcurrentLinkedQueue<Lane> idle = new ConcurrentLinkedQueue<>();

    CudaLink(Cuda cuda, int device) {
        this.cuda = cuda;
        this.device = device;
    }

    @Override
    public void send(Source source, long bytes, long address) {
        cuda.use(device);
        Lane lane = idle.poll();
        if (lane == null) {
            lane = new Lane();
        }
        lane.send(source, bytes, address);
        idle.add(lane);
    }

    @Override
    public void close() {
        for (Lane lane = idle.poll(); lane != null; lane = idle.poll()) {
            lane.close();
        }
    }

    private final class Lane {
        private final MemorySegment[] rooms = {cuda.allocateHost(ROOM), cuda.allocateHost(ROOM)};
        private final long[] sent = {cuda.createEvent(), cuda.createEvent()};
        private final long stream = cuda.createStream();

        void send(Source source, long bytes, long address) {
            int turn = 0;
            for (long done = 0; done < bytes; done += ROOM) {
                long now = Math.min(ROOM, bytes - done);
                cuda.await(sent[turn]); // an event that was never recorded has happened
                source.read(done, rooms[turn].asSlice(0, now));
                cuda.send(address + done, rooms[turn], now, stream);
                cuda.record(sent[turn], stream);
                turn = 1 - turn;
            }
            cuda.awaitStream(stream);
        }

        void close() {
            for (int i = 0; i < rooms.length; i++) {
                cuda.freeHost(rooms[i]);
                cuda.destroyEvent(sent[i]);
            }
            cuda.destroyStream(stream);
        }
    }
}
