package dev.hydrallm.engine.torch;

import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.DecoderProgram.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a call uploads.
 *
 * @param rows of the forward, some of which may be there for the device alone
 * @param values two or three numbers for each of them, and others
 */
record UploadedNumbers(int rows, List<Double> values) {
    /** A number of each token's row, then its position. */
    static UploadedNumbers of(int[] numbers, List<Rows> rows, int padded) {
        List<Double> values = new ArrayList<>(2 * padded);
        Arrays.stream(numbers).forEach(number -> values.add((double) number));
        fill(values, padded);
        for (Rows each : rows) {
            for (int row = 0; row < each.shape().count(); row++) {
                values.add((double) each.start() + each.shape().depth(row));
            }
        }
        fill(values, 2 * padded);
        return new UploadedNumbers(padded, values);
    }

    private static void fill(List<Double> values, int size) {
        while (values.size() < size) {
            values.add(0.0);
        }
    }

    /** A further number of each row. */
    UploadedNumbers withEach(int[] numbers) {
        int end = values.size() + rows;
        Arrays.stream(numbers).forEach(number -> values.add((double) number));
        fill(values, end);
        return this;
    }

    UploadedNumbers with(List<? extends Number> more) {
        more.forEach(number -> values.add(number.doubleValue()));
        return this;
    }

    List<IValue> arguments(Values scope) {
        double[] all = values.stream().mapToDouble(Double::doubleValue).toArray();
        return List.of(scope.list(all), scope.of(rows));
    }
}
