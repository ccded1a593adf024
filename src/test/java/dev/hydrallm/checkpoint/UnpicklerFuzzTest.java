package dev.hydrallm.checkpoint;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.hydrallm.model.ModelFormatException;

/** No pickle makes its reader do anything else than describe tensors or refuse. */
class UnpicklerFuzzTest {

    @FuzzTest(maxDuration = "5s")
    void anyPickleIsReadOrRefused(byte[] pickle) {
        try {
            StateDict.tensors("fuzz", new Unpickler("fuzz", pickle).load());
        } catch (ModelFormatException e) {
            // Refused, as it should be.
        }
    }
}
